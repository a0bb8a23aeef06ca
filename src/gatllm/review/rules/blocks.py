"""Blocks that lost their indentation: on the way through a chat, a page or a wrong key."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import accumulate

from gatllm.review.critics import Finding, quietly_parsed
from gatllm.review.rules.rule import Rule
from gatllm.tokenizers.lexing.lenient import outside_strings

_HEADER = re.compile(r"expected an indented block after (.*) on line (\d+)")
_CLAUSE = re.compile(r"\s*(?:elif|else|except|finally|case)\b")
_BEGINS = re.compile(r"\s*(?:@|(?:async\s+)?def\b|class\b|if __name__\b)")
_OPENS = re.compile(
    r"^(\s*)(?:async\s+)?(?:def|class|if|elif|else|for|while|try|except|finally|with|match|case)\b.*:\s*(?:#.*)?$"
)
_OPEN = re.compile(r"[(\[{,\\]\s*$")  # the statement continues in the next line
_LEAVES = re.compile(r"\s*(?:return|break|continue|raise)\b")
_MOST = 200  # lines of a block


def _indented(text: str, error: Finding) -> Iterator[str]:
    """Indent what follows a header up to where its block can be seen to end."""
    found = _HEADER.match(error.message)
    if found is None:
        return
    lines = text.split("\n")
    header = int(found[2])
    if header != error.line - 1:
        return  # a comment or a blank line says that the body is still to come
    margin = _margin(lines[header - 1])
    run = _run(lines, error.line - 1, margin, found[1])
    if not run:
        return
    unit = "\t" if any(line.startswith("\t") for line in lines) else "    "
    yield "\n".join(
        [
            *lines[: run[0]],
            *((unit + line if line.strip() else line) for line in lines[run[0] : run[1]]),
            *lines[run[1] :],
        ]
    )


def _margin(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _run(lines: list[str], first: int, margin: str, what: str) -> tuple[int, int] | None:
    """The lines of the block, or None where nothing tells where it ends.

    It ends before a clause of the same header, at a blank line, at the end; a loop's or condition's body of several
    lines ends nowhere that can be seen, unless its last line leaves it.
    """
    whole = what.startswith(("function", "class"))
    if _BEGINS.match(lines[first]) and not what.startswith("class"):
        return None  # what follows is not a body: the header has lost it
    last = first
    while last < len(lines) and last - first < _MOST and lines[last].strip():
        line = lines[last]
        if len(_margin(line)) < len(margin) or (_margin(line) == margin and last > first and _BEGINS.match(line)):
            break
        if _margin(line) == margin and _CLAUSE.match(line) and not _opened_since(lines[first:last], margin):
            return first, last
        deeper = len(_margin(line)) > len(margin)
        if (
            deeper
            and last > first
            and not _opened_since(lines[first:last], margin)
            and not _OPEN.search(lines[last - 1])
        ):
            return first, last  # the block continues as it should
        last += 1
        if _LEAVES.match(line) and _margin(line) == margin and not whole:
            break
    flat = [line for line in lines[first:last] if _margin(line) == margin]
    leaves = bool(flat) and _LEAVES.match(flat[0]) is not None
    if not flat or not (whole or len(flat) == 1 or leaves):
        return None
    return first, last


def _opened_since(lines: list[str], margin: str) -> bool:
    """Tell whether a header among the lines may own a clause that follows them."""
    return any(_OPENS.match(line) and _margin(line) == margin for line in lines)


def _one_kind(text: str, error: Finding) -> Iterator[str]:
    """Margins of tabs beside margins of spaces: spaces, if only one width of a tab gives a program."""
    lines = text.split("\n")
    margins = {_margin(line)[:1] for line in lines[: error.line + 1] if line.strip()}
    if not {"\t", " "} <= margins:
        return
    first = outside_strings(text)  # a margin inside a string is the string's
    starts = list(accumulate((len(line) + 1 for line in lines[:-1]), initial=0))
    inside = [start < len(first) and not first[start] for start in starts]
    found: dict[str, str] = {}
    for width in (4, 8, 2):
        new = "\n".join(
            line if quoted else _margin(line).expandtabs(width) + line[len(_margin(line)) :]
            for line, quoted in zip(lines, inside, strict=True)
        )
        if (tree := quietly_parsed(new)) is not None:
            found.setdefault(ast.dump(tree), new)
    if len(found) == 1:
        yield from found.values()


RULES = (
    Rule(
        "tabs-beside-spaces",
        re.compile("inconsistent use of tabs|unindent does not match|unexpected indent|expected an indented block"),
        "Margins of tabs and margins of spaces in one file.",
        "An editor shows a tab as wide as 2, 4 or 8 spaces. Only where a single one of these gives a program.",
        "def sign(x):\n\tif x < 0:\n        return -1\n\treturn 1\n",
        "def sign(x):\n    if x < 0:\n        return -1\n    return 1\n",
        _one_kind,
    ),
    Rule(
        "block-not-indented",
        _HEADER,
        "A header whose block stands at its own margin.",
        "The block of a function continues to the next blank line. One of a condition or loop is indented only where "
        "its end can be seen: one line, a clause such as `else`, or a line that leaves it.",
        "def area(w, h):\nsize = w * h\nreturn size\n\n\nprint(area(2, 3))\n",
        "def area(w, h):\n    size = w * h\n    return size\n\n\nprint(area(2, 3))\n",
        _indented,
    ),
)
