"""Which part of a text to look at for an error: the top-level statement that holds it, cut out by its lines."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from gatllm.review.critics import Finding

_TOP = re.compile(
    r"^(?:def|class|async[ ]def|@|if|for|while|with|try|import|from|[A-Za-z_]\w*[ ]*[.=(\[])", re.MULTILINE
)
_GOES_ON = re.compile(r"(?:else|elif|except|finally|case)\b")


class Region(NamedTuple):
    """Character offsets of a part of a text."""

    start: int
    end: int


def region(text: str, error: Finding, margin: int = 1) -> Region:
    """Return the lines of the top-level statements around ``error``, ``margin`` more on each side.

    The parser may report an error in the statement after the one that holds it; the margin covers that.
    """
    tops = [found.start() for found in _TOP.finditer(text) if not _GOES_ON.match(text, found.start())]
    at = offset(text, error.line, 1)
    before = [top for top in tops if top <= at]
    after = [top for top in tops if top > at]
    # Statements of one line are many to a screen: take whole dozens of lines, not single ones.
    start = _step(before[::-1], at, -1, text, margin)
    end = _step(after, at, 1, text, margin)
    return Region(0 if start is None else start, len(text) if end is None else end)


def _step(tops: list[int], at: int, direction: int, text: str, margin: int) -> int | None:
    """The ``margin``-th top-level statement that is at least some lines away."""
    steps = 0 if direction < 0 else 1
    for top in tops:
        lines = text.count("\n", min(at, top), max(at, top))
        if direction < 0 and steps == 0 and lines >= 3:
            return top
        if lines >= 3 and steps >= margin:
            return top
        steps += 1
    return None


@lru_cache(maxsize=8)
def _starts(text: str) -> tuple[int, ...]:
    return tuple(accumulate((len(line) + 1 for line in text.split("\n")[:-1]), initial=0))


def offset(text: str, line: int, column: int) -> int:
    """Character offset of a line and column (both from 1); past the end it is the end."""
    starts = _starts(text)
    if line > len(starts):
        return len(text)
    at = starts[max(line, 1) - 1]
    end = text.find("\n", at)
    return min(at + column - 1, len(text) if end < 0 else end)


def place(text: str, at: int) -> tuple[int, int]:
    """Line and column (both from 1) of a character offset."""
    return text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1


def line_span(text: str, line: int) -> tuple[int, int]:
    """Offsets of the beginning and the end of a line (from 1), its line break left out."""
    start = offset(text, line, 1)
    end = text.find("\n", start)
    return start, len(text) if end < 0 else end
