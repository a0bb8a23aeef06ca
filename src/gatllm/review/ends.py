"""What two versions of a text begin and end with alike, so that only what is between has to be compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import takewhile
from operator import eq


def equal_ends(old: Sequence[str], new: Sequence[str]) -> tuple[int, int]:
    """Return how many items two sequences begin with alike, and how many of the rest they end with alike."""
    head = _equal(old, new)
    return head, min(_equal(reversed(old), reversed(new)), min(len(old), len(new)) - head)


def equal_tail(old: str, new: str) -> int:
    """Return how many characters two texts end with alike, by halving: a comparison of slices costs next to nothing."""
    least, most = 0, min(len(old), len(new))
    while least < most:
        middle = (least + most + 1) // 2
        if old[len(old) - middle :] == new[len(new) - middle :]:
            least = middle
        else:
            most = middle - 1
    return least


def differences(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """Yield (start, end) in ``old`` and (start, end) in ``new`` of each place where two sequences differ."""
    for kind, i1, i2, j1, j2 in opcodes(old, new):
        if kind != "equal":
            yield i1, i2, j1, j2


def opcodes(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[str, int, int, int, int]]:
    """Yield what `SequenceMatcher.get_opcodes` does; what is between the equal ends alone is compared."""
    head, tail = equal_ends(old, new)
    if head:
        yield "equal", 0, head, 0, head
    matcher = SequenceMatcher(None, old[head : len(old) - tail], new[head : len(new) - tail], autojunk=False)
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        yield kind, head + i1, head + i2, head + j1, head + j2
    if tail:
        yield "equal", len(old) - tail, len(old), len(new) - tail, len(new)


def _equal(one: Iterable[str], other: Iterable[str]) -> int:
    return sum(takewhile(bool, map(eq, one, other)))
