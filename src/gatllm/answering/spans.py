"""Where pieces of a text occur in a collection, by suffix array: verbatim, or in structure with all names collapsed.

A span is the longest piece from its beginning that the collection holds, not part of an earlier span. Boilerplate
occurs everywhere, so each span tells how often it occurs (rare ones are evidence; as OLMoTrace, arXiv 2504.07096).
"""

from __future__ import annotations

import keyword
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_END = b"\0"  # between documents; no text holds it once encoded, so no span crosses it


class Span(NamedTuple):
    """Units ``start`` to ``end`` of the query occur ``copies`` times, in the documents listed (at most 64 of them)."""

    start: int
    end: int
    copies: int
    documents: tuple[int, ...]


class SpanIndex:
    """A suffix array over byte strings; 5 bytes of memory per byte of text, at most 2 GiB of it."""

    def __init__(self, documents: Sequence[bytes], array: NDArray[np.int32] | None = None) -> None:
        self._text = _END.join(document.replace(_END, b" ") for document in documents) + _END
        self.array: NDArray[np.int32] = _suffix_array(self._text) if array is None else array
        starts = [0]
        for document in documents:
            starts.append(starts[-1] + len(document) + 1)
        self._starts = starts[:-1]

    def spans(self, query: bytes, starts: Sequence[int], shortest: int) -> Iterator[Span]:
        """Yield the maximal spans of at least ``shortest`` bytes that begin at one of ``starts`` (ascending)."""
        reached = 0
        for start in starts:
            if len(query) - start < shortest:
                return
            place, length = self._longest(query, start)
            if length < shortest or start + length <= reached:
                continue
            reached = start + length
            first, last = self._range(query[start:reached], place)
            found = {bisect_right(self._starts, int(at)) - 1 for at in self.array[first : min(last, first + 64)]}
            yield Span(start, reached, last - first, tuple(sorted(found)))

    def _longest(self, query: bytes, start: int) -> tuple[int, int]:
        """Return a row of the array that shares the most with ``query[start:]``, and how much that is."""
        window = query[start : start + 4096]
        low, high = 0, len(self.array)
        while low < high:
            middle = (low + high) // 2
            at = int(self.array[middle])
            if self._text[at : at + len(window)] < window:
                low = middle + 1
            else:
                high = middle
        rows = [row for row in (low - 1, low) if 0 <= row < len(self.array)]
        return max(((row, self._shared(window, int(self.array[row]))) for row in rows), key=lambda pair: pair[1])

    def _shared(self, window: bytes, at: int) -> int:
        """Return the length of the common prefix, found by halving: slices compare at the speed of memory."""
        low, high = 0, min(len(window), len(self._text) - at)
        while low < high:
            middle = (low + high + 1) // 2
            if self._text[at + low : at + middle] == window[low:middle]:
                low = middle
            else:
                high = middle - 1
        return low

    def _range(self, piece: bytes, row: int) -> tuple[int, int]:
        """Return the rows whose suffixes begin with ``piece``; ``row`` is one of them."""

        def begins(at: int) -> bytes:
            place = int(self.array[at])
            return self._text[place : place + len(piece)]

        low, high = 0, row
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if begins(middle) >= piece else (middle + 1, high)
        first, low, high = low, row + 1, len(self.array)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if begins(middle) <= piece else (low, middle)
        return first, low


def _suffix_array(text: bytes) -> NDArray[np.int32]:
    import numpy as np
    from pydivsufsort import divsufsort

    array: NDArray[np.int32] = divsufsort(np.frombuffer(text, dtype=np.uint8).copy())
    return array


_SIGNS = """( ) [ ] { } , : . ; @ = -> := + - * / // % ** & | ^ ~ << >> < > <= >= == != += -= *= /= //= %= **= &= |= ^=
<<= >>= @= ..."""
_CODES = {text: code for code, text in enumerate([*keyword.kwlist, *_SIGNS.split()], start=8)}
_NAME, _NUMBER, _STRING, _LINE, _OTHER = 1, 2, 3, 4, 5


class Shape(NamedTuple):
    """Code with names, numbers and strings collapsed: one byte per token, and where each token lies in the text."""

    codes: bytes
    places: list[tuple[int, int]]


def shape(code: str) -> Shape:
    """Return the structure of a piece of code; renaming everything in it does not change it."""
    from gatllm.data.lexer import lex

    codes = bytearray()
    places: list[tuple[int, int]] = []
    kinds = {"name": _NAME, "number": _NUMBER, "string": _STRING, "newline": _LINE, "other": _OTHER}
    for token in lex(code):
        if token.kind in {"space", "indent", "comment"}:
            continue
        number = kinds.get(token.kind) or _CODES.get(token.text, _OTHER)
        if number == _LINE and (not codes or codes[-1] == _LINE):
            continue  # empty lines are no structure
        codes.append(number)
        places.append((token.start, token.end))
    return Shape(bytes(codes), places)


def word_starts(text: bytes) -> list[int]:
    """Return the places where a word or a line begins, so that no span begins inside a word."""
    inside: Any = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
    known = frozenset(inside)
    return [at for at, byte in enumerate(text) if byte > 32 and not (at and byte in known and text[at - 1] in known)]
