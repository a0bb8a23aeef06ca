"""Rows for the tagging objective: good code broken afresh each time, with the tags that repair it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

from gatllm.data.corruption import corrupt
from gatllm.data.families import FAMILIES
from gatllm.data.functions import parse
from gatllm.errors import GatllmError
from gatllm.review.alignment import Tagging, tag_edits
from gatllm.review.spelling import Spelling
from gatllm.review.tagger import tokens_of
from gatllm.review.tags import KEEP
from gatllm.tokenizers.lexicon import Lexeme, Lexicon

SYNTACTIC = tuple(name for name, family in FAMILIES.items() if family.syntactic)
SEMANTIC = tuple(name for name, family in FAMILIES.items() if not family.syntactic)
UNKNOWN = -1  # no tag: padding, or a generator's sample
GROUP = 8  # batches drawn together, so that rows of like length share one
_WIDE = 0.25  # fraction of windows that are as long as the context
_RUNS = 0.2  # fraction of texts that are runs of top-level statements
_DENSE = (2, 4)  # errors of meaning in one text, where they are dense
_LINES = 120  # of a training text, about


@dataclass(frozen=True)
class Pair:
    """A stored negative: broken text, the original, and the edits between them."""

    broken: str
    text: str
    edits: tuple[tuple[int, int, str], ...]

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Pair:
        """Read a record of a negative dataset.

        Raises:
            GatllmError: the record is not such a pair.
        """
        try:
            edits = tuple((int(start), int(end), str(new)) for start, end, new in record["edits"])
            return cls(str(record["broken"]), str(record["text"]), edits)
        except (KeyError, TypeError, ValueError):
            raise GatllmError(
                f"record {record.get('id')} is not a pair of broken and repaired code", "name a negative dataset"
            ) from None


@dataclass
class Texts:
    """What rows are drawn from: whole functions, runs of top-level statements, and pairs that are broken already."""

    functions: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    fakes: list[str] = field(default_factory=list)
    accused: list[str] = field(default_factory=list)  # real, and hard to tell from fakes

    def __len__(self) -> int:
        return len(self.functions) + len(self.runs)

    def draw(self, rng: Random) -> str:
        """Draw a text; runs are long, so they are drawn seldom."""
        rare = self.runs and (not self.functions or rng.random() < _RUNS)
        return rng.choice(self.runs if rare else self.functions)


@dataclass(frozen=True)
class Row:
    """One window: ids, the tag of each token (`UNKNOWN` where nobody knows), and whether anything is wrong."""

    ids: np.ndarray  # (tokens,)
    structure: np.ndarray  # (tokens,)
    spelling: np.ndarray  # (tokens, slots)
    tags: np.ndarray  # (tokens,)
    fake: bool


@dataclass(frozen=True)
class Mix:
    """What fraction of rows is what; the rest is one syntactic error. ``families`` are weights, in a fixed order."""

    real: float
    semantic: float
    several: float
    stored: float
    invented: float = 0.0
    acquitted: float = 0.0
    dense: float = 0.0
    families: tuple[tuple[str, float], ...] = ()

    def draw(self, kinds: tuple[str, ...], rng: Random) -> tuple[str, ...]:
        """The kinds of error to choose among: one, drawn by weight, where weights are given."""
        weights = [weight for name, weight in self.families if name in kinds]
        if not sum(weights):
            return kinds
        return (rng.choices([name for name, _ in self.families if name in kinds], weights)[0],)


class Sampler:
    """Draws rows; equal arguments give equal rows, in every process."""

    def __init__(self, texts: Texts, lexicon: Lexicon, *, context: int, batch: int, mix: Mix, seed: int) -> None:
        self.texts, self.lexicon, self._spelling = texts, lexicon, Spelling(lexicon)
        self.context, self.batch, self.mix, self.seed = context, batch, mix, seed

    def group(self, number: int) -> list[list[Row]]:
        """Return the batches ``8 number`` … ``8 number + 7``: rows of like length, about as many tokens in each."""
        rng = Random(f"{self.seed}:{number}")
        rows = sorted((self.row(rng) for _ in range(GROUP * self.batch)), key=lambda row: len(row.ids))
        total, seen = sum(len(row.ids) for row in rows), 0
        batches: list[list[Row]] = [[] for _ in range(GROUP)]
        for row in rows:
            batches[min(seen * GROUP // total, GROUP - 1)].append(row)
            seen += len(row.ids)
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
        if self.texts.fakes and rng.random() < mix.invented:
            return self._cut(tokens_of(self.lexicon, rng.choice(self.texts.fakes)), None, rng)
        if self.texts.accused and rng.random() < mix.acquitted:
            return self._cut(tokens_of(self.lexicon, rng.choice(self.texts.accused)), Tagging({}, True), rng)
        if self.texts.pairs and rng.random() < mix.stored:
            return self.label(rng.choice(self.texts.pairs), rng)
        text, errors = self.texts.draw(rng), None
        if draw < mix.real:
            tokens = tokens_of(self.lexicon, text)
            return self._cut(tokens, Tagging({}, True), rng)
        if draw < mix.real + mix.semantic:
            level, families = 2, mix.draw(SEMANTIC, rng)
            errors = _DENSE if rng.random() < mix.dense else None
        elif draw < mix.real + mix.semantic + mix.several:
            level, families = rng.choice((3, 3, 4, 4, 5)), SYNTACTIC
        else:
            level, families = 1, mix.draw(SYNTACTIC, rng)
        made = corrupt(text, rng, level, families, errors=errors)
        return None if made is None else self.label(Pair(made.broken, text, made.edits), rng)

    def label(self, pair: Pair, rng: Random) -> Row | None:
        """Turn a pair into a row; None where the correction can't be said in tags at all."""
        broken = tokens_of(self.lexicon, pair.broken)
        tagging = tag_edits(broken[1:], self.lexicon.lex(pair.text), pair.edits)
        shifted = Tagging({number + 1: tag for number, tag in tagging.tags.items()}, tagging.complete)
        return self._cut(broken, shifted, rng) if shifted.tags else None

    def _cut(self, tokens: list[Lexeme], tagging: Tagging | None, rng: Random) -> Row | None:
        """At most ``context`` tokens, mostly fewer, that hold some error: most errors are repaired by what is near."""
        size = self.context if rng.random() < _WIDE else self.context * 2 // 5
        start = 0
        if len(tokens) > size:
            latest = len(tokens) - size
            if tagging is not None and tagging.tags:
                focus = rng.choice(sorted(tagging.tags))
                margin = min(16, size // 4)
                start = rng.randint(max(focus - size + margin, 0), max(focus - margin, 0))
            else:
                start = rng.randint(0, latest)
            start = min(start, latest)
            while start > 0 and "\n" not in tokens[start].text:  # windows begin at a line, as they do in use
                start -= 1
        window = tokens[start : start + size]
        ids = np.array([token.id for token in window], np.int64)
        marked = np.array([token.mark for token in window], np.int64)
        spelling = np.array([self._spelling[token.text] for token in window], np.int64)
        if tagging is None:
            return Row(ids, marked, spelling, np.full(len(window), UNKNOWN, np.int64), True)
        tags = np.full(len(window), KEEP, np.int64)
        for number, tag in tagging.tags.items():
            if start <= number < start + len(window):
                tags[number - start] = tag
        if tagging.tags and not tags.any():
            return None
        return Row(ids, marked, spelling, tags, bool(tagging.tags))


def texts_of(text: str, lines: int = _LINES) -> tuple[list[str], list[str]]:
    """Return a module's functions and methods (dedented), and its runs of whole top-level statements.

    Runs have about ``lines`` lines; a long class or function is a run of its own.
    """
    tree = parse(text)
    rows = text.split("\n")
    if tree is None or "\r" in text or "\f" in text:
        return [], []
    return list(_functions(tree.body, rows)), list(_runs(tree, rows, lines))


def _first(node: ast.stmt) -> int:
    """The first line of a statement, its decorators included, from 0."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)]) - 1


def _functions(body: list[ast.stmt], rows: list[str]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _functions(node.body, rows)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            width = node.col_offset
            block = rows[_first(node) : node.end_lineno]
            if 2 < len(block) <= 4 * _LINES and not any(row[:width].strip() for row in block):
                yield "\n".join(row[width:] for row in block) + "\n"


def _runs(tree: ast.Module, rows: list[str], lines: int) -> Iterator[str]:
    begin = end = 0
    for node in tree.body:
        last = node.end_lineno or node.lineno
        if last - begin > lines and end > begin:
            yield from _run(rows[begin:end])
            begin = _first(node)
        end = last
    yield from _run(rows[begin:end])


def _run(rows: list[str]) -> Iterator[str]:
    if 5 < len(rows) <= 5 * _LINES:
        yield "\n".join(rows) + "\n"
