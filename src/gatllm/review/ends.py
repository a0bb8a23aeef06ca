"""What two versions of a text begin and end with alike, so that only what is between has to be compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise, takewhile
from operator import eq

_MANY = 250_000  # pairs of items; comparing more of them one by one takes seconds where they repeat


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
    """Yield what `SequenceMatcher.get_opcodes` does; what is between the equal ends alone is compared.

    Where that is much and has line breaks, lines are compared first, and only lines that differ item by item.
    """
    head, tail = equal_ends(old, new)
    if head:
        yield "equal", 0, head, 0, head
    for kind, i1, i2, j1, j2 in _between(old[head : len(old) - tail], new[head : len(new) - tail]):
        yield kind, head + i1, head + i2, head + j1, head + j2
    if tail:
        yield "equal", len(old) - tail, len(old), len(new) - tail, len(new)


def _between(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[str, int, int, int, int]]:
    if len(old) * len(new) <= _MANY:
        yield from SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        return
    left, right = _line_ends(old), _line_ends(new)
    if len(left) < 3 or len(right) < 3:
        yield from SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        return
    lines, others = ([tuple(some[i:j]) for i, j in pairwise(ends)] for some, ends in ((old, left), (new, right)))
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, lines, others).get_opcodes():  # lines that repeat are no anchors
        if kind != "replace":
            yield kind, left[i1], left[i2], right[j1], right[j2]
        elif i2 - i1 == j2 - j1:  # as many lines in place of as many
            for row in range(i2 - i1):
                yield from _of_lines(
                    old, new, (left[i1 + row], left[i1 + row + 1], right[j1 + row], right[j1 + row + 1])
                )
        else:
            yield from _of_lines(old, new, (left[i1], left[i2], right[j1], right[j2]))


def _of_lines(
    old: Sequence[str], new: Sequence[str], place: tuple[int, int, int, int]
) -> Iterator[tuple[str, int, int, int, int]]:
    """What differs in a place; all of it where that is much."""
    first, last, begin, end = place
    if (last - first) * (end - begin) > _MANY:
        yield "replace", first, last, begin, end
        return
    matcher = SequenceMatcher(None, old[first:last], new[begin:end], autojunk=False)
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        yield kind, first + i1, first + i2, begin + j1, begin + j2


def _line_ends(items: Sequence[str]) -> list[int]:
    """Where lines begin, and where the last one ends."""
    found = [0, *(number for number, item in enumerate(items, 1) if "\n" in item)]
    return found if found[-1] == len(items) else [*found, len(items)]


def _equal(one: Iterable[str], other: Iterable[str]) -> int:
    return sum(takewhile(bool, map(eq, one, other)))
