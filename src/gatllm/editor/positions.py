"""Places in a text as editors name them: lines from 0, columns in UTF-16 units (LSP 3.17), and back to offsets."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

_LINE_END = re.compile(r"\r\n|\n|\r")


class Lines:
    """The lines of a text. What ends a line is the protocol's: ``\\n``, ``\\r\\n``, ``\\r``, and no form feed."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0]
        self._ends = []  # where each line's characters end, its line break left out
        for found in _LINE_END.finditer(text):
            self._ends.append(found.start())
            self.starts.append(found.end())
        self._ends.append(len(text))

    def __len__(self) -> int:
        return len(self.starts)

    def line(self, row: int) -> str:
        """Return line ``row`` (from 0, clamped) without its line break."""
        row = min(max(row, 0), len(self.starts) - 1)
        return self.text[self.starts[row] : self._ends[row]]

    def offset(self, position: dict[str, Any]) -> int:
        """Return the character offset of a position; one past a line's or the text's end is that end."""
        row, column = int(position["line"]), int(position["character"])
        if row >= len(self.starts):
            return len(self.text)
        start, end = self.starts[max(row, 0)], self._ends[max(row, 0)]
        if self.text[start:end].isascii():
            return min(start + max(column, 0), end)
        at = start
        while column > 0 and at < end:
            column -= _units(self.text[at])
            at += 1
        return at if column >= 0 else at - 1  # inside a surrogate pair: before it

    def position(self, offset: int) -> dict[str, int]:
        """Return the position of a character offset."""
        row = bisect_right(self.starts, offset) - 1
        before = self.text[self.starts[row] : min(offset, self._ends[row])]
        return {"line": row, "character": utf16(before)}

    def row_and_column(self, offset: int) -> tuple[int, int]:
        """Return line and column of an offset as people and compilers count them, both from 1, in characters."""
        row = bisect_right(self.starts, offset) - 1
        return row + 1, offset - self.starts[row] + 1

    def place(self, line: int, column: int) -> int:
        """Return the offset of a line and column as people and compilers count them, both from 1, in characters."""
        row = min(max(line, 1), len(self.starts)) - 1
        return min(self.starts[row] + max(column, 1) - 1, self._ends[row])

    def end(self, offset: int) -> int:
        """Return the offset at which the line of ``offset`` ends."""
        return self._ends[bisect_right(self.starts, offset) - 1]

    def range(self, start: int, end: int) -> dict[str, dict[str, int]]:
        """Return two offsets as a range."""
        return {"start": self.position(start), "end": self.position(end)}


def _units(letter: str) -> int:
    return 2 if ord(letter) > 0xFFFF else 1


def utf16(text: str) -> int:
    """Return the length of a text in UTF-16 units."""
    return len(text) if text.isascii() else sum(map(_units, text))


@dataclass(frozen=True, slots=True)
class Replacement:
    """The characters from ``start`` to ``end`` (offsets) become ``text``."""

    start: int
    end: int
    text: str


def replaced(text: str, replacements: list[Replacement]) -> str:
    """Return a text with replacements done; they are ascending and do not overlap."""
    out, at = [], 0
    for one in replacements:
        out += [text[at : one.start], one.text]
        at = one.end
    return "".join([*out, text[at:]])
