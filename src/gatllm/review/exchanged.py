"""Marks that a repair trades for others where the old one had a reading too: pairs, indices, rows, whole strings.

What a named rule trades it knows; these are doubts about search and model.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gatllm.review.reading import Part
from gatllm.tokenizers.lexing.lenient import all_bare, outside_strings

_PAIR = re.compile(r"(?:'[^'\n]*'|\"[^\"\n]*\"|\b\d+)\s*:")
# What repeats takes what it takes without giving it back: a line of data may be long.
_SLICE = re.compile(r"(?<=\w)\((?P<before>[^()\[\]{}'\":]*+):\s*+-?\w++\s*+[,)]")
_BOUND = re.compile(r"\s*+-?\w*+\s*+")
_ROWS = re.compile(r"\[(?=[^\[\]{};\n,]*+,)[^\[\]{};\n]*+;[^\[\]{}\n]*+\]")


def exchanged(before: str, after: str, differing: Part) -> Iterator[str]:
    """Yield in plain words what would be read otherwise since a mark was exchanged for another.

    Args:
        before: the text as it was given.
        after: the repaired text.
        differing: the part in which they differ.
    """
    old, new = differing.before, differing.after
    made_set = any(isinstance(node, ast.Set) and len(node.elts) > 1 for node in differing.nodes)
    if made_set and len(_PAIR.findall(old)) > len(_PAIR.findall(new)):
        yield "a pair of a dictionary would become two values"
    if _slices(old) > _slices(new) and old.count(":") > new.count(":"):
        yield "what stands between the parentheses may be an index"
    if len(_ROWS.findall(old)) > len(_ROWS.findall(new)):
        yield "a semicolon may separate rows"
    yield from _unquoted(before.split("\n"), after.split("\n"))


def _slices(text: str) -> int:
    """Count what may be a slice between parentheses."""
    return sum(_BOUND.fullmatch(found["before"].rpartition(",")[2]) is not None for found in _SLICE.finditer(text))


def _unquoted(old: list[str], new: list[str]) -> Iterator[str]:
    """Words of a string that was whole, and would be names."""
    if len(old) != len(new):
        return
    for line, other in zip(old, new, strict=True):
        if line == other or not line.strip() or not _is_closed(line):
            continue
        outside, said = _names(line, outside=True), _names(line, outside=False)
        for name in sorted((_names(other, outside=True) - outside) & said):
            yield f"`{name}` of a string would become a name"


def _is_closed(line: str) -> bool:
    """Tell whether the strings of a line end in it."""
    return outside_strings(line + " ")[-1]


def _names(line: str, *, outside: bool) -> set[str]:
    found = (piece.text for piece, free in all_bare(line) if free == outside and piece.kind in ("name", "prose"))
    return {word for text in found for word in re.findall(r"[^\W\d]\w*", text)}
