"""The discriminator at one text: which edit where, how likely a token is wrong, how likely the text is fake."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gatllm.review.edits import Edit
from gatllm.review.forward import Array, Forward, Tokens
from gatllm.review.spelling import SLOTS, Spelling
from gatllm.review.structure import structural_features
from gatllm.review.tags import KEEP, TAGS
from gatllm.tokenizers.lexicon import Lexeme, Lexicon

_ROWS = 16  # windows judged in one pass
MOST = 240  # edits proposed for one window


@dataclass(frozen=True)
class Window:
    """A stretch of a text's tokens, judged together; token 0 of the first window is the place before the text."""

    tokens: list[Lexeme]
    first: int


@dataclass(frozen=True)
class Scores:
    """What the model says of one window.

    ``fake`` is a logit. For the window's tokens in order, ``errors`` holds the probability that each is wrong, ``tags``
    the likeliest edit of each and ``odds`` its log-odds against keeping. ``edits`` are (log-odds, edit) of the
    likeliest in the whole window, best first, where they were asked for.
    """

    fake: float
    errors: Array  # (tokens,)
    tags: NDArray[np.int64]  # (tokens,)
    odds: Array  # (tokens,)
    edits: list[tuple[float, Edit]]


def tokens_of(lexicon: Lexicon, text: str) -> list[Lexeme]:
    """Return the marked tokens of a text behind the place where something can be inserted before it all."""
    tokens = [Lexeme(lexicon.begin_id, "", 0, 0), *lexicon.lex(text)]
    return [Lexeme(*token[:4], mark) for token, mark in zip(tokens, structural_features(tokens), strict=True)]


def windows_of(tokens: list[Lexeme], context: int) -> list[Window]:
    """Cut a text's tokens into windows that overlap by a quarter, each from the beginning of a line if possible."""
    out, start = [], 0
    while True:
        out.append(Window(tokens[start : start + context], start))
        if start + context >= len(tokens):
            return out
        begin, latest = start + context // 4, start + context * 3 // 4
        # In one endless line no place is better than another: the fewest windows, then.
        start = next((at for at in range(latest, begin, -1) if "\n" in tokens[at].text), latest)


class Tagger:
    """A discriminator with its lexicon; safe to use from several threads."""

    def __init__(self, forward: Forward, lexicon: Lexicon, context: int) -> None:
        self._forward = forward
        self.lexicon = lexicon
        self._spelling = Spelling(lexicon)
        self.context = context

    def score(self, windows: Sequence[Window], *, edits: bool = True) -> list[Scores]:
        """Judge windows, in batches of a few thousand tokens; without ``edits``, only what is wrong."""
        order = sorted(range(len(windows)), key=lambda number: len(windows[number].tokens))  # less padding
        out: dict[int, Scores] = {}
        for start in range(0, len(order), _ROWS):
            numbers = order[start : start + _ROWS]
            out.update(zip(numbers, self._score([windows[number] for number in numbers], edits), strict=True))
        return [out[number] for number in range(len(windows))]

    def _score(self, windows: Sequence[Window], edits: bool) -> list[Scores]:
        longest = max(len(window.tokens) for window in windows)
        ids = np.full((len(windows), longest), self.lexicon.pad_id, np.int64)
        seen = np.zeros(ids.shape, np.int64)
        spelling = np.zeros((*ids.shape, SLOTS), np.int64)
        padding = np.ones(ids.shape, np.bool_)
        for row, window in enumerate(windows):
            ids[row, : len(window.tokens)] = [token.id for token in window.tokens]
            seen[row, : len(window.tokens)] = [token.mark for token in window.tokens]
            spelling[row, : len(window.tokens)] = [self._spelling[token.text] for token in window.tokens]
            padding[row, : len(window.tokens)] = False
        logits = self._forward(Tokens(ids, seen, spelling, padding))
        return [
            _read(window, float(logits.fake[row]), logits.error[row], logits.edit[row], edits)
            for row, window in enumerate(windows)
        ]


def _read(window: Window, fake: float, error: Array, edit: Array, edits: bool) -> Scores:
    size = len(window.tokens)
    odds = edit[:size] - edit[:size, KEEP : KEEP + 1]  # (tokens, tags): log p(tag) / p(keep)
    odds[:, KEEP] = -np.inf
    tags = odds.argmax(axis=1)
    errors = np.asarray(1 / (1 + np.exp(-error[:size])), np.float32)
    return Scores(fake, errors, tags, odds[np.arange(size), tags], _likeliest(odds, window.first) if edits else [])


def _likeliest(odds: Array, first: int) -> list[tuple[float, Edit]]:
    flat = odds.ravel()
    best = np.argpartition(flat, -MOST)[-MOST:] if flat.size > MOST else np.arange(flat.size)
    best = best[np.argsort(-flat[best], kind="stable")]
    return [(float(flat[at]), Edit(first + int(at) // len(TAGS), int(at) % len(TAGS))) for at in best]


def features(scores: Sequence[Scores]) -> tuple[float, ...]:
    """What the windows of a text say about the whole: their most suspicious logits, and how many there are."""
    errors = max(float(score.errors.max(initial=0.0)) for score in scores)
    odds = max(float(score.odds.max(initial=-15.0)) for score in scores)
    error = math.log(max(errors, 1e-6) / max(1 - errors, 1e-6))
    return max(score.fake for score in scores), error, max(odds, -15.0), math.log(len(scores))
