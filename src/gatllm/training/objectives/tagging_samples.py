"""Rows for the tagging objective: good code broken afresh each time, with the tags that mend it."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from gatllm.data.corruption import corrupt
from gatllm.data.families import FAMILIES
from gatllm.data.functions import parse
from gatllm.review.alignment import Tagging, tag_edits
from gatllm.review.tagger import tokens_of
from gatllm.review.tags import KEEP
from gatllm.tokenizers.lexicon import Lexeme, Lexicon

SYNTACTIC = tuple(name for name, family in FAMILIES.items() if family.syntactic)
SEMANTIC = tuple(name for name, family in FAMILIES.items() if not family.syntactic)
_GROUP = 8  # batches drawn together, so that rows of like length share one
_LINES = 120  # of a training text, about


@dataclass(frozen=True)
class Pair:
    """A stored negative: broken text, the original, and the edits between them."""

    broken: str
    text: str
    edits: tuple[tuple[int, int, str], ...]


@dataclass(frozen=True)
class Row:
    """One window: ids, the tag of each token, and whether anything is wrong."""

    ids: np.ndarray  # (tokens,)
    tags: np.ndarray  # (tokens,)
    fake: bool


@dataclass(frozen=True)
class Mix:
    """What share of rows is what; the rest is one syntactic error."""

    real: float = 0.12
    semantic: float = 0.18
    several: float = 0.3
    stored: float = 0.25


class Sampler:
    """Draws rows; equal arguments give equal rows, in every process."""

    def __init__(
        self,
        texts: Sequence[str],
        pairs: Sequence[Pair],
        lexicon: Lexicon,
        *,
        context: int,
        batch: int,
        mix: Mix,
        seed: int,
    ) -> None:
        self.texts, self.pairs, self.lexicon = texts, pairs, lexicon
        self.context, self.batch, self.mix, self.seed = context, batch, mix, seed

    def group(self, number: int) -> list[list[Row]]:
        """Return the batches ``8 number`` … ``8 number + 7``, each of rows of like length."""
        rng = Random(f"{self.seed}:{number}")
        rows = sorted((self.row(rng) for _ in range(_GROUP * self.batch)), key=lambda row: len(row.ids))
        batches = [rows[start : start + self.batch] for start in range(0, len(rows), self.batch)]
        rng.shuffle(batches)
        return batches

    def row(self, rng: Random) -> Row:
        """Draw one row."""
        while True:
            row = self._try(rng)
            if row is not None:
                return row

    def _try(self, rng: Random) -> Row | None:
        draw = rng.random()
        mix = self.mix
        if self.pairs and rng.random() < mix.stored:
            pair = rng.choice(self.pairs)
            return self.label(pair, rng)
        text = rng.choice(self.texts)
        if draw < mix.real:
            tokens = tokens_of(self.lexicon, text)
            return self._cut(tokens, Tagging({}, True), rng)
        if draw < mix.real + mix.semantic:
            level, families = 2, SEMANTIC
        elif draw < mix.real + mix.semantic + mix.several:
            level, families = rng.choice((3, 3, 4, 4, 5)), SYNTACTIC
        else:
            level, families = 1, SYNTACTIC
        made = corrupt(text, rng, level, families)
        return None if made is None else self.label(Pair(made.broken, text, made.edits), rng)

    def label(self, pair: Pair, rng: Random) -> Row | None:
        """Turn a pair into a row; None where the correction can't be said in tags at all."""
        broken = tokens_of(self.lexicon, pair.broken)
        tagging = tag_edits(broken[1:], self.lexicon.lex(pair.text), pair.edits)
        shifted = Tagging({number + 1: tag for number, tag in tagging.tags.items()}, tagging.complete)
        return self._cut(broken, shifted, rng) if shifted.tags else None

    def _cut(self, tokens: list[Lexeme], tagging: Tagging, rng: Random) -> Row | None:
        """At most ``context`` tokens that hold the first error."""
        start = 0
        if len(tokens) > self.context:
            latest = len(tokens) - self.context
            if tagging.tags:
                focus = rng.choice(sorted(tagging.tags))
                start = rng.randint(max(focus - self.context + 16, 0), max(focus - 16, 0))
            else:
                start = rng.randint(0, latest)
            start = min(start, latest)
            while start > 0 and "\n" not in tokens[start].text:  # windows begin at a line, as they do in use
                start -= 1
        window = tokens[start : start + self.context]
        tags = np.full(len(window), KEEP, np.int64)
        for number, tag in tagging.tags.items():
            if start <= number < start + len(window):
                tags[number - start] = tag
        if tagging.tags and not tags.any():
            return None
        return Row(np.array([token.id for token in window], np.int64), tags, bool(tagging.tags))


def stretches(text: str, lines: int = _LINES) -> list[str]:
    """Cut a module into runs of whole top-level statements of about ``lines`` lines; long classes stay whole."""
    tree = parse(text)
    if tree is None:
        return []
    rows = text.splitlines(keepends=True)
    if sum(len(row) for row in rows) != len(text):
        return []
    out, begin, last = [], 0, 0
    for node in tree.body:
        end = node.end_lineno or node.lineno
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]) - 1
        if end - begin > lines and last > begin:
            out.append("".join(rows[begin:last]))
            begin = first
        last = end
    out.append("".join(rows[begin:last]))
    return [piece for piece in out if 2 < piece.count("\n") <= 4 * lines and _parses(piece)]


def _parses(text: str) -> bool:
    tree = parse(text)
    return tree is not None and any(not isinstance(node, ast.Expr) for node in tree.body)
