"""The discriminator at one text: which edit where, how likely a token is wrong, how likely the text is fake."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gatllm.review.edits import Edit
from gatllm.review.forward import Array, Forward
from gatllm.review.marks import marks
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

    ``fake`` is a logit; ``edits`` are (log-odds against keeping, edit) for the tokens of the whole text, best first;
    ``errors`` holds the probability that a token is wrong, for the window's tokens in order.
    """

    fake: float
    errors: Array
    edits: list[tuple[float, Edit]]


def tokens_of(lexicon: Lexicon, text: str) -> list[Lexeme]:
    """Return the marked tokens of a text behind the place where something can be inserted before it all."""
    tokens = [Lexeme(lexicon.begin_id, "", 0, 0), *lexicon.lex(text)]
    return [token._replace(mark=mark) if mark else token for token, mark in zip(tokens, marks(tokens), strict=True)]


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
        self.context = context

    def score(self, windows: Sequence[Window]) -> list[Scores]:
        """Judge windows, in batches of a few thousand tokens."""
        out: list[Scores] = []
        for start in range(0, len(windows), _ROWS):
            out += self._score(windows[start : start + _ROWS])
        return out

    def _score(self, windows: Sequence[Window]) -> list[Scores]:
        longest = max(len(window.tokens) for window in windows)
        ids = np.full((len(windows), longest), self.lexicon.pad_id, np.int64)
        seen = np.zeros(ids.shape, np.int64)
        padding = np.ones(ids.shape, np.bool_)
        for row, window in enumerate(windows):
            ids[row, : len(window.tokens)] = [token.id for token in window.tokens]
            seen[row, : len(window.tokens)] = [token.mark for token in window.tokens]
            padding[row, : len(window.tokens)] = False
        logits = self._forward(ids, seen, padding)
        return [
            _read(window, float(logits.fake[row]), logits.error[row], logits.edit[row])
            for row, window in enumerate(windows)
        ]


def _read(window: Window, fake: float, error: Array, edit: Array) -> Scores:
    size = len(window.tokens)
    odds = edit[:size] - edit[:size, KEEP : KEEP + 1]  # (tokens, tags): log p(tag) / p(keep)
    odds[:, KEEP] = -np.inf
    flat = odds.ravel()
    best = np.argpartition(flat, -MOST)[-MOST:] if flat.size > MOST else np.arange(flat.size)
    best = best[np.argsort(-flat[best], kind="stable")]
    edits = [(float(flat[at]), Edit(window.first + int(at) // len(TAGS), int(at) % len(TAGS))) for at in best]
    return Scores(fake, np.asarray(1 / (1 + np.exp(-error[:size])), np.float32), edits)


def features(scores: Sequence[Scores]) -> tuple[float, ...]:
    """What the windows of a text say about the whole: their most suspicious logits, and how many there are."""
    errors = max(float(score.errors.max(initial=0.0)) for score in scores)
    odds = max((score.edits[0][0] for score in scores if score.edits), default=-10.0)
    error = math.log(max(errors, 1e-6) / max(1 - errors, 1e-6))
    return max(score.fake for score in scores), error, max(odds, -15.0), math.log(len(scores))
