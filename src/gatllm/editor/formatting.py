"""Formatting through errors: repair in memory, let ruff format that, put the error back.

Each statement that the repair touches is replaced by a stand-in of its kind, so that what ruff makes of the rest does
not depend on it; afterwards its own lines, as they were, take the stand-in's place.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gatllm.editor.actions import text_edits
from gatllm.editor.documents import Document
from gatllm.editor.edits import edits
from gatllm.editor.positions import Lines, Replacement
from gatllm.review.critics import compile_error
from gatllm.review.reviewer import Reviewer

_MOST = 3  # repairs that are tried
_ERRORS = 8  # errors that are taken out where no repair is found
_NAME = "gatllm_stand_in_{}_"
_INDENT = re.compile(r"[ \t]*")


def format_edits(reviewer: Reviewer, document: Document) -> list[dict[str, Any]]:
    """Return the text edits that format a document; none where it can't be done without touching the error."""
    if document.is_cell or "\r" in document.text.replace("\r\n", ""):
        return []
    formatted = format_text(reviewer, document.text, document.path)
    return [] if formatted is None else text_edits(document.lines, edits(document.text, formatted))


def format_text(reviewer: Reviewer, text: str, path: str = "untitled.py") -> str | None:
    """Return a text as ruff formats it under its project's settings, whatever does not compile as it was.

    None where no repair is found, or where ruff does not run.
    """
    if compile_error(text) is None:
        return ruff_format(text, path)
    repair = reviewer.fix(text, candidates=_MOST)  # a suggestion will do: it does not stay
    for candidate in repair.candidates:
        if (formatted := through(text, candidate.text, path)) is not None:
            return formatted
    blunt = _without_errors(text)
    return through(text, blunt, path) if blunt is not None else None


def _without_errors(text: str) -> str | None:
    """Return a text that compiles because a name stands where the compiler's complaints were; None if that fails.

    No repair, but enough to format what is around: whole lines go, few, until the compiler gets further down.
    """
    for _ in range(_ERRORS):
        error = compile_error(text)
        if error is None:
            return text
        tried = next((one for one in _without_lines(text, error.line - 1) if _further(one, error.line)), None)
        if tried is None:
            return None
        text = tried
    return None


def _without_lines(text: str, row: int) -> Iterator[str]:
    """Yield the text with a name in place of the line at ``row``, and of ever more lines around it."""
    lines = text.split("\n")
    row = next((n for n in range(min(row, len(lines) - 1), -1, -1) if lines[n].strip()), 0)
    for above, below in sorted(((a, b) for a in range(6) for b in range(4)), key=sum):
        first, last = row - above, row + below
        if first < 0 or last >= len(lines):
            continue
        indent = _INDENT.match(lines[first])[0]  # type: ignore[index]  # it matches anything
        following = next((line for line in lines[last + 1 :] if line.strip()), "")
        deeper = len(_INDENT.match(following)[0]) > len(indent)  # type: ignore[index]
        yield "\n".join([*lines[:first], f"{indent}if x:" if deeper else f"{indent}x", *lines[last + 1 :]])


def _further(text: str, line: int) -> bool:
    error = compile_error(text)
    return error is None or error.line > line


def ruff_format(text: str, path: str) -> str | None:
    """Return what ``ruff format`` makes of a text under the name of a file; None where it does not."""
    from ruff import find_ruff_bin

    command = [find_ruff_bin(), "format", "--no-cache", "--quiet", "--stdin-filename", path, "-"]
    try:
        data = text.encode("utf-8", "surrogatepass")
        done = subprocess.run(command, input=data, capture_output=True, check=False, timeout=60)
        return done.stdout.decode("utf-8", "surrogatepass") if done.returncode == 0 else None
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None


@dataclass(frozen=True, slots=True)
class _Hole:
    """Lines ``first`` to ``last`` (from 0) of the repaired text, their stand-in, and the lines as they were."""

    first: int
    last: int
    stand_in: str
    original: str
    indent: str


def through(text: str, repaired: str, path: str) -> str | None:
    """Format ``text``, which does not compile, by way of ``repaired``, which does; None where that can't be done."""
    try:
        tree = ast.parse(repaired)
    except (SyntaxError, ValueError, RecursionError):
        return None
    back = edits(repaired, text)
    lines = Lines(repaired)
    holes: list[_Hole] = []
    for first, last, kind in _merged(_statements(tree, lines, back)):
        start, end = lines.starts[first], lines.end(lines.starts[last])
        original = _original(back, repaired, start, end)
        indent = _INDENT.match(lines.line(first))[0]  # type: ignore[index]  # it matches anything
        holes.append(_Hole(first, last, kind.format(_NAME.format(len(holes))), original, indent))
    if _NAME.format(0) in text:
        return None
    out, at = [], 0
    for hole in holes:
        out += [repaired[at : lines.starts[hole.first]], hole.indent + hole.stand_in]
        at = lines.end(lines.starts[hole.last])
    formatted = ruff_format("".join([*out, repaired[at:]]), path)
    if formatted is None:
        return None
    for hole in holes:
        put_back = _put_back(formatted, hole)
        if put_back is None:
            return None
        formatted = put_back
    return formatted


def _statements(tree: ast.Module, lines: Lines, back: list[Replacement]) -> Iterator[tuple[int, int, str]]:
    """Yield the lines of the smallest statements that hold each change, and what may stand in for them."""
    for one in back:
        first, last = (lines.position(at)["line"] for at in (one.start, one.end))
        # White space before the first word of a line belongs to that line's statement; a line break to the line before.
        if one.end > one.start and last > first and one.end == lines.starts[last]:
            last -= 1
        yield _smallest(tree, lines, first, last)


def _smallest(tree: ast.Module, lines: Lines, first: int, last: int) -> tuple[int, int, str]:
    body: list[ast.stmt] = tree.body
    while True:
        inside = [node for node in body if _first(node) <= last and (node.end_lineno or node.lineno) - 1 >= first]
        if len(inside) != 1:
            # Between statements, or more than one: whole lines, each a stand-in's.
            low = min([first, *(_first(node) for node in inside)])
            high = max([last, *((node.end_lineno or node.lineno) - 1 for node in inside)])
            return low, high, "{}"
        (node,) = inside
        blocks = _blocks(node)
        if not blocks:
            return min(_first(node), first), max((node.end_lineno or node.lineno) - 1, last), _kind(node)
        deeper = next((block for block in blocks if _first(block[0]) <= first and last <= _last(block[-1])), None)
        if deeper is None:
            return _header(node, blocks, lines, first, last)
        body = deeper


def _header(node: ast.stmt, blocks: list[list[ast.stmt]], lines: Lines, first: int, last: int) -> tuple[int, int, str]:
    """The line or lines that begin a block; the whole statement where the change is not in one such header."""
    starts = [_first(node), *(_last(block[-1]) + 1 for block in blocks[:-1])]
    if isinstance(node, ast.Match):
        starts = [case.pattern.lineno - 1 for case in node.cases]
        if last < starts[0]:
            return node.lineno - 1, starts[0] - 1, _opening(node)
    for number, block in enumerate(blocks):
        low, high = starts[number], _first(block[0]) - 1
        while number and low <= high and not lines.line(low).strip():
            low += 1
        if low <= first and last <= high:
            if number == 0 and not isinstance(node, ast.Match):
                decorated = getattr(node, "decorator_list", [])
                if decorated and first < node.lineno - 1:
                    return low, _last(block[-1]) if len(blocks) == 1 else _last(node), _kind(node)
                return node.lineno - 1, high, _opening(node)
            word = lines.line(low).split("#")[0].split()
            return low, high, _clause(word[0].rstrip(":") if word else "else")
    return min(_first(node), first), max(_last(node), last), _kind(node)


def _first(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(one.lineno for one in decorators)]) - 1


def _last(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - 1


def _blocks(node: ast.stmt) -> list[list[ast.stmt]]:
    """The blocks of a compound statement in the order of the text."""
    found: list[list[ast.stmt]] = []
    for name in ("body", "handlers", "cases", "orelse", "finalbody"):
        for part in [getattr(node, name, None)]:
            if isinstance(part, list) and part:
                inner = [one.body for one in part if isinstance(one, ast.ExceptHandler | ast.match_case)]
                found += inner or [part]
    return found


def _kind(node: ast.stmt) -> str:
    """A statement that ruff sets apart by blank lines as it does this one."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return "def {}(): ..."
        case ast.ClassDef():
            return "class {}: ..."
        case ast.Import() | ast.ImportFrom():
            return "import {}"
    return "{}"


def _opening(node: ast.stmt) -> str:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return "def {}():"
        case ast.ClassDef():
            return "class {}:"
        case ast.Match():
            return "match {}:"
        case ast.Try() | ast.TryStar():
            return "try:  # {}"
    return "if {}:" if not isinstance(node, ast.For | ast.While | ast.AsyncFor) else "while {}:"


def _clause(word: str) -> str:
    match word:
        case "elif" | "except":
            return word + " {}:"
        case "case":
            return "case {}.a:"  # a bare name would match anything, which only the last one may
    return word + ":  # {}"


def _merged(found: Iterator[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Holes in the order of the text; those that overlap are one."""
    out: list[tuple[int, int, str]] = []
    for first, last, kind in sorted(found):
        if out and first <= out[-1][1]:
            low, high, before = out[-1]
            out[-1] = (low, max(high, last), before if high >= last else "{}")
        else:
            out.append((first, last, kind))
    return out


def _original(back: list[Replacement], repaired: str, start: int, end: int) -> str:
    """The characters from ``start`` to ``end`` of the repaired text as they were before."""
    out, at = [], start
    for one in back:
        if start <= one.start and one.end <= end:
            out += [repaired[at : one.start], one.text]
            at = one.end
    return "".join([*out, repaired[at:end]])


def _put_back(formatted: str, hole: _Hole) -> str | None:
    """Put a hole's own lines where its stand-in is, moved as far as the stand-in was."""
    name = re.search(r"gatllm_stand_in_\d+_", hole.stand_in)
    if name is None or formatted.count(name[0]) != 1:
        return None
    at = formatted.index(name[0])
    start, end = formatted.rfind("\n", 0, at) + 1, formatted.find("\n", at)
    end = len(formatted) if end < 0 else end
    line = formatted[start:end]
    if line.strip() != hole.stand_in.strip() and not _split(hole, formatted, start):
        return None
    if line.strip() != hole.stand_in.strip():
        end = formatted.find("\n", end + 1)
        end = len(formatted) if end < 0 else end
    indent = _INDENT.match(line)[0]  # type: ignore[index]  # it matches anything
    return formatted[:start] + _moved(hole.original, hole.indent, indent) + formatted[end:]


def _split(hole: _Hole, formatted: str, start: int) -> bool:
    """Tell whether ruff only put the stand-in's ``...`` on a line of its own."""
    lines = formatted[start:].split("\n")[:2]
    return hole.stand_in.endswith(": ...") and " ".join(line.strip() for line in lines) == hole.stand_in


def _moved(text: str, before: str, after: str) -> str:
    """Move lines by the difference of two indentations; lines of a string of several lines stay where they are."""
    if before == after or '"""' in text or "'''" in text:
        return text
    lines = [after + line[len(before) :] if line.startswith(before) else line for line in text.split("\n")]
    return "\n".join(lines)
