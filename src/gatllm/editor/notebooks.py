"""Jupyter notebooks (nbformat 4): their code cells as Python, and a repair back into the file, all else byte-equal.

What IPython adds to Python (magics, shell commands, ``x?``, ``await`` outside functions) is masked by stand-ins of the
same length, so that every character keeps its place; a repair that would touch a stand-in is none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from json.decoder import scanstring  # type: ignore[attr-defined]  # the standard library's own, not in its stubs
from typing import Any

from gatllm.editor.positions import Replacement
from gatllm.errors import GatllmError

_MAGIC = re.compile(r"[ \t]*(%{1,2}[A-Za-z_].*|!{1,2}[^=\s].*|\?{1,2}[\w.*%].*)")
_ASSIGNED = re.compile(r"[\w.\[\]'\", \t]+=[ \t]*(![^=].*|%[A-Za-z_].*)")
_HELP = re.compile(r"[ \t]*[\w.*%]+(\?{1,2})[ \t]*")
_CELL_MAGIC = re.compile(r"(?:[ \t]*(?:#.*)?\r?\n)*[ \t]*%%([A-Za-z_]\w*)")
_PYTHON_MAGICS = frozenset({"capture", "debug", "prun", "time", "timeit", "python", "python3", "pypy"})
_NO_BREAK = re.compile(r"[^\r\n]")
_AWAIT = re.compile(r"\bawait(?:[ \t]+|(?=\())|\basync[ \t]+(?:with|for)\b")
_DEFINITION = re.compile(r"([ \t]*)(async[ \t]+)?def\b")
_SPACE = re.compile(r"[ \t\r\n]*")
_SCALAR = re.compile(r"-?\d[\d.eE+-]*|true|false|null|NaN|-?Infinity")
_DEEP = 200


@dataclass(frozen=True, slots=True)
class Masked:
    """The Python of a cell; ``spans`` are the offsets of what is not Python; None where nothing of it is."""

    text: str
    spans: tuple[tuple[int, int], ...]
    python: bool = True

    def touched(self, replacements: Sequence[Replacement]) -> bool:
        """Tell whether a replacement reaches into a stand-in."""
        return any(one.start < end and one.end > start for one in replacements for start, end in self.spans)

    def masks(self, lines: Sequence[str], line: int, column: int) -> bool:
        """Tell whether a place (line and column from 1 in ``lines`` of the text) lies in a stand-in."""
        at = sum(len(one) + 1 for one in lines[: line - 1]) + column - 1
        return any(start <= at < end for start, end in self.spans)


def masked(source: str) -> Masked:
    """Return a cell's source with stand-ins for what is IPython's."""
    magic = _CELL_MAGIC.match(source)
    if magic is not None and magic[1] not in _PYTHON_MAGICS:
        return Masked(_NO_BREAK.sub(" ", source), ((0, len(source)),), python=False)
    spans: dict[tuple[int, int], str] = {}
    at, goes_on = 0, False
    for line in source.splitlines(keepends=True):
        body = line.rstrip("\r\n")
        found = _MAGIC.match(body) or _ASSIGNED.match(body)
        if goes_on:  # a shell command that a backslash continues
            spans[at, at + len(body)] = "#" + body[1:] if body else ""
        elif found and not _in_python(source, at, body, found.start(1)):
            start = at + found.start(1)
            spans[start, at + len(body)] = _stand_in(at + len(body) - start)
        elif help_ := _HELP.fullmatch(body):
            spans[at + help_.start(1), at + help_.end(1)] = " " * len(help_[1])
        goes_on = (goes_on or bool(found)) and body.endswith("\\")
        at += len(line)
    for word in _AWAIT.finditer(source):
        if not _in_function(source, word.start()):
            spans[word.span()] = _without_await(word[0])
    text, last = [], 0
    for (start, end), new in sorted(spans.items()):
        if start >= last:
            text += [source[last:start], new]
            last = end
    return Masked("".join([*text, source[last:]]), tuple(sorted(spans)))


def _stand_in(length: int) -> str:
    """A statement of so many characters that means nothing."""
    return "0" * length if length < 3 else "..." + "#" * (length - 3)


def _without_await(word: str) -> str:
    """What compiles outside functions: a call of ``await_get`` for ``await get``, which the model doesn't object to."""
    if word.startswith("async"):
        return word.rsplit(maxsplit=1)[-1].ljust(len(word))
    return word.rstrip().ljust(len(word), "_") if len(word) > len("await") else "_wait"


def _in_python(source: str, start: int, line: str, column: int) -> bool:
    """Tell whether a line that begins like a magic continues with an expression: ``%`` inside brackets, say."""
    if column == 0 or source[:start].rstrip(" \t\r\n")[-1:] not in tuple("([{,\\+-*/%=&|"):
        return False
    return line[column : column + 1] == "%"


def _in_function(source: str, at: int) -> bool:
    """Tell whether a place lies in a function, by the indentation of the lines above."""
    lines = source[:at].split("\n")
    width = len(lines[-1]) - len(lines[-1].lstrip(" \t")) if lines[-1].strip() else len(lines[-1])
    for line in reversed(lines[:-1]):
        indent = len(line) - len(line.lstrip(" \t"))
        if line.strip() and indent < width:
            if _DEFINITION.match(line):
                return True
            width = indent
    return bool(_DEFINITION.match(lines[-1])) or "lambda" in lines[-1]


@dataclass(frozen=True, slots=True)
class _Literal:
    """A JSON string: its value, and where its characters stand in the file (without the quotes)."""

    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Cell:
    """A code cell: its number (from 1, among all cells), its source, and the literals that hold it."""

    number: int
    source: str
    literals: tuple[_Literal, ...]
    listed: bool  # whether the source is a list of lines, not one string


class Notebook:
    """A notebook as it stands in a file.

    Raises:
        GatllmError: it is not a notebook, or one of a format before 4.
    """

    def __init__(self, raw: str) -> None:
        self.raw = raw
        try:
            self._document: Any = json.loads(raw)
            root, _ = _value(raw, _SPACE.match(raw, 0).end(), 0)  # type: ignore[union-attr]
        except (ValueError, RecursionError) as error:
            raise GatllmError(f"is not a notebook: {error}", "save it again with Jupyter") from None
        if not isinstance(self._document, dict) or not isinstance(self._document.get("cells"), list):
            raise GatllmError("is not a notebook of format 4: it has no cells", "open and save it with Jupyter")
        self.cells = tuple(_cells(root["cells"]))
        language = self._document.get("metadata", {})
        language = language.get("language_info", {}).get("name", "python") if isinstance(language, dict) else "python"
        self.is_python = str(language).lower() in ("python", "ipython")

    def place(self, cell: Cell, offset: int) -> tuple[int, int]:
        """Return line and column (from 1) in the file of an offset into a cell's source."""
        at = _raw_offset(self.raw, cell, offset, later=True)
        return self.raw.count("\n", 0, at) + 1, at - (self.raw.rfind("\n", 0, at) + 1) + 1

    def with_changes(self, changes: dict[int, list[Replacement]]) -> str:
        """Return the file with replacements in the sources of cells (by number), every other byte as it was.

        Raises:
            GatllmError: the result would not be the same notebook but for these sources; nothing is to be written.
        """
        script: list[Replacement] = []
        expected = json.loads(self.raw)
        for cell in self.cells:
            found = changes.get(cell.number, [])
            script += [self._raw_change(cell, one) for one in found]
            if found:
                _expect(expected["cells"][cell.number - 1], cell, found)
        out, at = [], 0
        for one in sorted(script, key=lambda one: (one.start, one.end)):
            out += [self.raw[at : one.start], one.text]
            at = one.end
        raw = "".join([*out, self.raw[at:]])
        try:
            same = _joined(json.loads(raw)) == _joined(expected)
        except ValueError:
            same = False
        if not same:
            raise GatllmError("this repair can't be written into the notebook", "make it by hand")
        return raw

    def _raw_change(self, cell: Cell, one: Replacement) -> Replacement:
        start = _raw_offset(self.raw, cell, one.start, later=True)
        end = _raw_offset(self.raw, cell, one.end, later=one.start == one.end)
        text = json.dumps(one.text, ensure_ascii=self.raw.isascii())[1:-1]
        if cell.listed:
            parts = text.split("\\n")
            between = f'\\n"{self._separator(cell)}"'
            text = between.join(parts)
            if one.end == len(cell.source) and len(parts) > 1 and not parts[-1]:
                text = between.join(parts[:-1]) + "\\n"
            if one.start == len(cell.source) and cell.source.endswith("\n"):
                text = f'"{self._separator(cell)}"{text}'
        return Replacement(start, end, text)

    def _separator(self, cell: Cell) -> str:
        """What stands between two lines of a cell: a comma and white space."""
        for one, other in pairwise(cell.literals):
            return self.raw[one.end + 1 : other.start - 1]
        first = cell.literals[0].start - 1
        return "," + self.raw[self.raw.rfind("[", 0, first) + 1 : first]


def _cells(cells: list[Any]) -> Iterator[Cell]:
    for number, cell in enumerate(cells, 1):
        if (
            not isinstance(cell, dict)
            or not isinstance(kind := cell.get("cell_type"), _Literal)
            or kind.value != "code"
        ):
            continue
        source = cell.get("source")
        listed = isinstance(source, list)
        literals = [one for one in (source if isinstance(source, list) else [source]) if isinstance(one, _Literal)]
        if literals:
            yield Cell(number, "".join(one.value for one in literals), tuple(literals), listed)


def _expect(cell: dict[str, Any], known: Cell, found: list[Replacement]) -> None:
    text, at = [], 0
    for one in found:
        text += [known.source[at : one.start], one.text]
        at = one.end
    cell["source"] = "".join([*text, known.source[at:]])


def _joined(document: Any) -> Any:
    """A notebook with every source as one string, to be compared."""
    for cell in document["cells"]:
        if isinstance(cell, dict) and isinstance(cell.get("source"), list):
            cell["source"] = "".join(cell["source"])
    return document


def _raw_offset(raw: str, cell: Cell, offset: int, *, later: bool) -> int:
    """Return the place in the file of an offset into a cell's source; between two lines, the later or the earlier."""
    for number, one in enumerate(cell.literals):
        size, last = len(one.value), number == len(cell.literals) - 1
        if offset < size or last or (offset == size and not later):
            at = one.start
            for _ in range(min(offset, size)):
                at += _escape(raw, at)
            return at
        offset -= size
    raise AssertionError(offset)  # pragma: no cover - the last literal takes what is left


def _escape(raw: str, at: int) -> int:
    """How many characters of the file stand for the character of the string that begins at ``at``."""
    if raw[at] != "\\":
        return 1
    if raw[at + 1] != "u":
        return 2
    pair = 0xD800 <= int(raw[at + 2 : at + 6], 16) < 0xDC00 and raw[at + 6 : at + 8] == "\\u"
    return 12 if pair and 0xDC00 <= int(raw[at + 8 : at + 12], 16) < 0xE000 else 6


def _value(raw: str, at: int, depth: int) -> tuple[Any, int]:
    """Return the JSON value at ``at``, its strings with their places, and where it ends; ``raw`` is valid JSON."""
    if depth > _DEEP:
        raise ValueError("nested too deeply")
    mark = raw[at]
    if mark == '"':
        value, end = scanstring(raw, at + 1, False)
        return _Literal(value, at + 1, end - 1), end
    if mark not in "{[":
        found = _SCALAR.match(raw, at)
        if found is None:
            raise ValueError(f"no value at {at}")
        return None, found.end()
    table: dict[str, Any] = {}
    items: list[Any] = []
    at = _SPACE.match(raw, at + 1).end()  # type: ignore[union-attr]  # it matches anywhere
    while raw[at] not in "}]":
        key = ""
        if mark == "{":
            key, at = scanstring(raw, at + 1, False)
            at = _SPACE.match(raw, raw.index(":", at) + 1).end()  # type: ignore[union-attr]
        item, at = _value(raw, at, depth + 1)
        table[key] = item
        items.append(item)
        at = _SPACE.match(raw, at).end()  # type: ignore[union-attr]
        if raw[at] == ",":
            at = _SPACE.match(raw, at + 1).end()  # type: ignore[union-attr]
    return (table if mark == "{" else items), at + 1
