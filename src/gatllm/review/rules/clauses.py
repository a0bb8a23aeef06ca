"""Clauses and statements that stand a step or a blank too far to the right."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gatllm.review.critics import Finding
from gatllm.review.lines import HEADER, margin_of, shares_margin, width_of
from gatllm.review.rules.rule import Rule

_CLAUSE = re.compile(r"\s*(elif|else|except|finally)\b")
_ELSE_IF = re.compile(r"else\s+if\b(?!\s*:)")
_OWNERS = {
    "elif": re.compile(r"\s*(?:if|elif)\b"),
    "else": re.compile(r"\s*(?:if|elif|try|except)\b"),
    "except": re.compile(r"\s*(?:try|except)\b"),
    "finally": re.compile(r"\s*(?:try|except|else)\b"),
}
_LOOP = re.compile(r"\s*(?:async\s+)?(?:for|while)\b")  # has an `else` of its own
_BOUND = re.compile(r"\s*(?:async\s+def|def|class)\b")
_FEW = 3  # blanks that a finger typed


def _in_its_block(text: str, error: Finding) -> Iterator[str]:
    """A clause in the block of the header that it belongs to goes to the header's margin, with its own block."""
    lines, number = text.split("\n"), error.line - 1
    line = lines[number] if number < len(lines) else ""
    kind = _CLAUSE.match(line)
    if kind is None:
        return
    word = "elif" if _ELSE_IF.match(line.lstrip()) else kind[1]
    own, owns = width_of(line), _OWNERS[word]
    header = _header(lines, number, owns, climbs=word in ("except", "finally"))
    if header is None:
        return
    last = number + 1
    while last < len(lines) and (not lines[last].strip() or _follows(lines, number, last)):
        last += 1
    while not lines[last - 1].strip():
        last -= 1
    goes_on = next((one for one in lines[last:] if one.strip()), "")
    if last > number + 1 and width_of(goes_on) == own:
        return  # what follows belongs to the one block or to the other
    margin, old = margin_of(lines[header]), margin_of(line)
    run = [one for one in lines[number:last] if one.strip()]
    if all(one.startswith(old) for one in run):
        moved = [margin + one[len(old) :] if one.strip() else one for one in lines[number:last]]
        moved[0] = _ELSE_IF.sub("elif", moved[0], count=1)
        yield "\n".join([*lines[:number], *moved, *lines[last:]])


def _header(lines: list[str], number: int, owns: re.Pattern[str], *, climbs: bool) -> int | None:
    """The header whose block a clause stands in, if it can follow that one and nothing inside the block.

    What only a `try` can own may stand in the blocks of others inside of it (``climbs``).
    """
    own = width_of(lines[number])
    for at in range(number - 1, -1, -1):
        line = lines[at]
        if not line.strip() or line.lstrip().startswith("#") or width_of(line) > own:
            continue
        if width_of(line) < own:
            if owns.match(line) and HEADER.search(line):
                return at
            if not climbs or _BOUND.match(line):
                return None
            own = width_of(line)
        elif owns.match(line) or (not climbs and _LOOP.match(line)):
            return None
    return None


def _follows(lines: list[str], number: int, at: int) -> bool:
    """Tell whether a line belongs to the block of a clause, or is a clause that goes on with it."""
    own = width_of(lines[number])
    return width_of(lines[at]) > own or (width_of(lines[at]) == own and _CLAUSE.match(lines[at]) is not None)


def _blanks(text: str, error: Finding) -> Iterator[str]:
    """A blank or two before a statement, at a margin that nothing else has."""
    lines, number = text.split("\n"), error.line - 1
    if number >= len(lines) or not lines[number].strip() or shares_margin(lines, number, number + 1):
        return
    above = next((one for one in reversed(lines[:number]) if one.strip()), "")
    if HEADER.search(above) or not 0 < width_of(lines[number]) - width_of(above) <= _FEW:
        return
    yield "\n".join([*lines[:number], margin_of(above) + lines[number].lstrip(), *lines[number + 1 :]])


RULES = (
    Rule(
        "clause-in-block",
        re.compile("invalid syntax|expected 'except'"),
        "A clause such as `else` inside the block of its own header.",
        "It can follow that header and nothing in the block; its own block moves with it. Where it may be that of a "
        "loop it is left.",
        "if n > 0:\n    print(1)\n    else:\n        print(2)\n",
        "if n > 0:\n    print(1)\nelse:\n    print(2)\n",
        _in_its_block,
    ),
    Rule(
        "blank-before-statement",
        re.compile("unexpected indent"),
        "A blank or two before a statement.",
        "No block begins there, and no other line has that margin.",
        "n = 1\n print(n)\n",
        "n = 1\nprint(n)\n",
        _blanks,
    ),
)
