"""What two versions of a text begin and end with alike, so that only what is between has to be compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile
from operator import eq


def equal_ends(old: Sequence[str], new: Sequence[str]) -> tuple[int, int]:
    """Return how many items two sequences begin with alike, and how many of the rest they end with alike."""
    head = _equal(old, new)
    return head, min(_equal(reversed(old), reversed(new)), min(len(old), len(new)) - head)


def _equal(one: Iterable[str], other: Iterable[str]) -> int:
    return sum(takewhile(bool, map(eq, one, other)))
