"""What tells a repair that was meant from one that only parses: the features of `probability`.

All of it is read off the broken text, the repair, and who found it. The one that counts most is *slack*: at how many
other places the same edit would have made the text compile just as well. One lost bracket that fits in nine places of
a line is a guess, however sure of it anyone is.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from gatllm.review.critics import Finding, quietly_parsed
from gatllm.review.ends import differences, equal_ends
from gatllm.review.gate import Step
from gatllm.review.reading import part as part_of
from gatllm.review.reading import tree_of
from gatllm.review.region import line_span, offset, region
from gatllm.tokenizers.lexing.lenient import Lexeme, all_lexemes, lexemes
from gatllm.tokenizers.lexing.words import STATEMENT_WORDS

_LARGEST = 1_000_000  # pairs of lexemes compared at most
_PLACES = 14  # other places at most at which an edit is tried, the nearest first
_READ = 30_000  # characters of a part up to which that is done: each place costs a parse
_MESSAGES = (
    "never closed",
    "unmatched|does not match",
    "unterminated",
    "indent|expected an",
    "forgot a comma",
    "expected ':'",
    "invalid syntax",
)
NAMES = (
    *(
        "search",
        "model",
        "rule",
        "first of the model",
        "margin",
        "score",
        "score is low",
        "no score",
        "alone",
        "others",
    ),
    *("edits", "lines", "words", "distance", "slack", "slack unknown", "harm", "above", "below"),
    *("closing added", "opening added", "closing removed", "opening removed", "comma", "colon", "quote", "layout"),
    *("line break", "operator", "keyword", "other word"),
    *(f"says {number}" for number in range(len(_MESSAGES))),
)


@dataclass(frozen=True)
class Found:
    """A repair as it was found: ``score`` is the model's (None: it did not find it)."""

    text: str
    score: float | None
    by: frozenset[str]
    harm: tuple[str, ...]
    steps: tuple[Step, ...] = ()

    @cached_property
    def tree(self) -> tuple[object, ...]:
        """The syntax tree as texts; two repairs with the same are one."""
        return tree_of(self.text)


@dataclass(frozen=True, slots=True)
class _Hunk:
    """A place where the texts differ: its offset in the broken text, what is gone, what is new."""

    at: int
    removed: tuple[Lexeme, ...]
    added: tuple[Lexeme, ...]


def traits(before: str, error: Finding, found: Sequence[Found], which: int) -> tuple[float, ...]:
    """Return the features of ``found[which]`` in the order of `NAMES`, each of the order of 1.

    Args:
        before: the broken text.
        error: what the compiler says of it.
        found: all repairs that were found, no two with the same tree.
        which: the number of the one asked about.
    """
    one = found[which]
    hunks = list(_hunks(before, one.text))
    return (
        *_by_whom(found, one),
        *_extent(before, error, hunks),
        *_slack(before, error, one, hunks),
        float(bool(one.harm)),
        *_place(before, error, hunks),
        *_kinds(hunks),
        *(float(re.search(message, error.message) is not None) for message in _MESSAGES),
    )


def _by_whom(found: Sequence[Found], one: Found) -> tuple[float, ...]:
    # What the gate holds back is never written, so it is not a rival, however sure the model is of it.
    rivals = [other for other in found if other is not one and not other.harm]
    scores = [other.score for other in rivals if other.score is not None]
    score = one.score or 0.0
    margin = 0.0 if one.score is None else (score - max(scores) if scores else 8.0)
    return (
        float("search" in one.by),
        float("model" in one.by),
        float("rule" in one.by),
        float("model" in one.by and one.score is not None and (not scores or margin > 0)),
        min(max(margin, -8.0), 8.0) / 4,
        min(max(score, -10.0), 10.0) / 5,
        float(one.score is not None and score < 0),
        float(one.score is None),
        float(not rivals),
        math.log1p(len(rivals)),
    )


def _extent(before: str, error: Finding, hunks: Sequence[_Hunk]) -> tuple[float, ...]:
    at = offset(before, error.line, error.column)
    lines = {before.count("\n", 0, hunk.at) for hunk in hunks}
    words = sum(lexeme.kind in ("name", "number", "prose") for hunk in hunks for lexeme in (*hunk.removed, *hunk.added))
    nearest = min((abs(hunk.at - at) for hunk in hunks), default=0)
    return (math.log1p(len(hunks)), math.log1p(len(lines)), math.log1p(words), math.log1p(nearest) / 4)


def _place(before: str, error: Finding, hunks: Sequence[_Hunk]) -> tuple[float, float]:
    """Whether a line above or below the compiler's is touched."""
    lines = [before.count("\n", 0, hunk.at) + 1 for hunk in hunks]
    return float(any(line < error.line for line in lines)), float(any(line > error.line for line in lines))


def _kinds(hunks: Sequence[_Hunk]) -> tuple[float, ...]:
    added = [lexeme for hunk in hunks for lexeme in hunk.added]
    removed = [lexeme for hunk in hunks for lexeme in hunk.removed]
    both = [*added, *removed]
    return (
        float(any(lexeme.text in ")]}" for lexeme in added)),
        float(any(lexeme.text in "([{" for lexeme in added)),
        float(any(lexeme.text in ")]}" for lexeme in removed)),
        float(any(lexeme.text in "([{" for lexeme in removed)),
        float(any(lexeme.text == "," for lexeme in both)),
        float(any(lexeme.text == ":" for lexeme in both)),
        float(any(lexeme.kind == "quote" for lexeme in both)),
        float(any(lexeme.kind in ("line", "space") for lexeme in both)),
        float(sum(lexeme.text.count("\n") for lexeme in added) != sum(lexeme.text.count("\n") for lexeme in removed)),
        float(any(lexeme.kind == "operator" and lexeme.text not in "()[]{},:" for lexeme in both)),
        float(any(lexeme.text in STATEMENT_WORDS for lexeme in both)),
        float(
            any(
                lexeme.kind in ("name", "number", "prose", "other") and lexeme.text not in STATEMENT_WORDS
                for lexeme in both
            )
        ),
    )


def _hunks(before: str, after: str) -> Iterator[_Hunk]:
    differing = part_of(before, after)
    old, new = all_lexemes(differing.before), all_lexemes(differing.after)
    head, tail = equal_ends([lexeme.text for lexeme in old], [lexeme.text for lexeme in new])
    left, right = old[head : len(old) - tail], new[head : len(new) - tail]
    start = differing.start
    first = old[head].start if head < len(old) else len(differing.before)
    if len(left) * len(right) > _LARGEST:
        yield _Hunk(start + first, left, right)
        return
    for i1, i2, j1, j2 in differences([lexeme.text for lexeme in left], [lexeme.text for lexeme in right]):
        at = left[i1].start if i1 < len(left) else left[-1].end if left else first
        yield _Hunk(start + at, left[i1:i2], right[j1:j2])


def _slack(before: str, error: Finding, one: Found, hunks: Sequence[_Hunk]) -> tuple[float, float]:
    """At how many other places the one edit would do, as a logarithm; and whether that was not looked into."""
    part = region(before, error)
    if len(hunks) != 1 or quietly_parsed(one.text[part.start : part.end + len(one.text) - len(before)]) is None:
        part = part._replace(start=0, end=len(before))
    if len(hunks) != 1 or part.end - part.start > _READ or not part.start <= hunks[0].at <= part.end:
        return 0.0, 1.0
    text = before[part.start : part.end]
    hunk = hunks[0]
    meant = quietly_parsed(one.text[part.start : part.end + len(one.text) - len(before)])
    known = {ast.dump(meant)} if meant is not None else set()
    own = len(known)
    for tried in _elsewhere(text, hunk, hunk.at - part.start):
        tree = quietly_parsed(tried)
        if tree is not None:
            known.add(ast.dump(tree))
    return math.log1p(len(known) - own), 0.0


def _elsewhere(text: str, hunk: _Hunk, at: int) -> Iterator[str]:
    """Yield the text with the same edit at the other places of its line, or with its line indented otherwise."""
    start, end = line_span(text, text.count("\n", 0, at) + 1)
    removed, added = ("".join(lexeme.text for lexeme in some) for some in (hunk.removed, hunk.added))
    if not (removed + added).strip():
        yield from _indented(text, text.count("\n", 0, at + len(removed)))
        return
    inside = [lexeme for lexeme in lexemes(text[start:end]) if lexeme.kind != "space"]
    if removed.strip():
        places = [(start + lexeme.start, start + lexeme.end) for lexeme in inside if lexeme.text == removed]
    else:
        places = [(start + here, start + here) for here in {0, *(lexeme.end for lexeme in inside)}]
    others = sorted((place for place in places if place[0] != at), key=lambda place: abs(place[0] - at))
    for first, last in others[:_PLACES]:
        yield text[:first] + added + text[last:]


def _indented(text: str, row: int) -> Iterator[str]:
    """Yield the text with one line at each indentation of the lines above it, and one deeper."""
    lines = text.split("\n")
    if row >= len(lines):
        return
    above = [line for line in lines[max(row - 12, 0) : row] if line.strip()]
    widths = {line[: len(line) - len(line.lstrip())] for line in above}
    for width in sorted({"", *widths, *(width + "    " for width in widths)}, key=len)[:_PLACES]:
        yield "\n".join([*lines[:row], width + lines[row].lstrip(), *lines[row + 1 :]])
