"""Blocks that lost their indentation: on the way through a chat, a page or a wrong key."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import accumulate

from gatllm.review.critics import Finding, quietly_parsed
from gatllm.review.lines import BEGINS_BLOCK, HEADER, margin_of, shares_margin
from gatllm.review.rules.rule import Rule
from gatllm.tokenizers.lexing.lenient import all_bare, outside_strings

_HEADER = re.compile(r"expected an indented block after (.*) on line (\d+)")
_CLAUSE = re.compile(r"\s*(?:elif|else|except|finally|case)\b")
_OPENS = re.compile(
    r"^(\s*)(?:async\s+)?(?:def|class|if|elif|else|for|while|try|except|finally|with|match|case)\b.*:\s*(?:#.*)?$"
)
_OWNERS = {
    "elif": re.compile(r"\s*(?:if|elif)\b"),
    "else": re.compile(r"\s*(?:if|elif|for|while|try|except|async\s+for)\b"),
    "except": re.compile(r"\s*(?:try|except)\b"),
    "finally": re.compile(r"\s*(?:try|except|else)\b"),
    "case": re.compile(r"\s*match\b"),
}
_LEAVES = re.compile(r"\s*(?:return|break|continue|raise)\b")
_RETURNS = re.compile(r"return\b|yield\b")
_FUNCTION = re.compile(r"\s*(?:async\s+)?def\s+(\w+)")
_STRAY = 3  # lines between a function's body and its `return`
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
    inside, quoted = _continued(text)
    margin, own = margin_of(lines[header - 1]), margin_of(lines[error.line - 1])
    run = _run(lines, error.line - 1, margin, found[1], inside)
    if not run or any(quoted[number] for number in range(*run)):
        return
    new = margin + ("\t" if any(line.startswith("\t") for line in lines) else "    ")
    moved = [new + line[len(own) :] if line.strip() else line for line in lines[run[0] : run[1]]]
    yield "\n".join([*lines[: run[0]], *moved, *lines[run[1] :]])


def _continued(text: str) -> tuple[list[bool], list[bool]]:
    """Tell for each line whether it begins inside brackets or a string, and whether inside a string."""
    inside, quoted = [False], [False]
    depth = 0
    for piece, outside in all_bare(text):
        if piece.kind in ("line", "joined"):
            breaks = piece.text.count("\n")
            string = piece.kind == "line" and not outside
            inside += [depth > 0 or string or piece.kind == "joined"] * breaks
            quoted += [string] * breaks
        elif "\n" in piece.text:
            inside += [True] * piece.text.count("\n")
            quoted += [True] * piece.text.count("\n")
        elif outside and piece.text in ("(", "[", "{"):
            depth += 1
        elif outside and piece.text in (")", "]", "}"):
            depth = max(depth - 1, 0)
    return inside, quoted


def _run(lines: list[str], first: int, margin: str, what: str, inside: list[bool]) -> tuple[int, int] | None:
    """The lines of the block, from its first at the header's margin or further out; None where its end can't be seen.

    It ends before a clause of the same header, where the text continues as deep as it should, at a line that leaves it,
    at the end of the paragraph. A loop's or condition's body of several lines ends nowhere that can be seen otherwise.
    """
    own, whole = margin_of(lines[first]), what.startswith(("function", "class"))
    if (BEGINS_BLOCK.match(lines[first]) and not what.startswith("class")) or len(own) > len(margin):
        return None  # what follows is not a body: the header has lost it
    last, leaves, flat = first, False, 0
    while last < len(lines) and last - first < _MOST:
        line = lines[last]
        if inside[last] and line.strip():
            last += 1
            continue
        depth = len(margin_of(line))
        if leaves or not line.strip() or depth < len(own):
            break
        opened = last > first and _opened_since(lines[first:last], own)
        if depth == len(own):
            if last > first and BEGINS_BLOCK.match(line):
                break
            if own == margin and _CLAUSE.match(line) and not opened:
                return first, last
            flat += 1
            leaves = _LEAVES.match(line) is not None
        elif last > first and not opened:
            return first, last  # the block continues as it should
        last += 1
    if own != margin:
        return (first, last) if _resumes(lines, last, own, margin, leaves) else None
    if whole and not leaves and not _is_over(lines, last, own):
        returned = None if own else _returned(lines, last)  # at the margin of the file it is out of its function
        return None if returned is None else (first, returned)
    return (first, last) if flat and (whole or flat == 1 or leaves) else None


def _next(lines: list[str], at: int) -> int:
    """The number of the first line from ``at`` on that is not blank; that of the end where there is none."""
    return next((number for number in range(at, len(lines)) if lines[number].strip()), len(lines))


def _is_over(lines: list[str], last: int, own: str) -> bool:
    """Tell whether a paragraph that ends at ``last`` is its block's last: no other statement of its margin is near."""
    following = _next(lines, last)
    if following == len(lines) or following - last >= 2 or margin_of(lines[following]) != own:
        return True
    return BEGINS_BLOCK.match(lines[following]) is not None or following == last


def _returned(lines: list[str], last: int) -> int | None:
    """The end of the last `return` at the margin before the next definition; None where there is none."""
    following = range(last, len(lines))
    end = next((number for number in following if BEGINS_BLOCK.match(lines[number])), len(lines))
    found = [number for number in range(last, end) if _RETURNS.match(lines[number])]
    if not found:
        return None
    return next((n for n in range(found[-1] + 1, end) if not lines[n].strip() or not lines[n][0].isspace()), end)


def _resumes(lines: list[str], last: int, own: str, margin: str, leaves: bool) -> bool:
    """Tell whether what follows a block that stands further out than its header is as deep as the header."""
    following = _next(lines, last)
    if following == len(lines):
        return leaves or last == len(lines) or not any(lines[last:])
    depth = margin_of(lines[following])
    return len(own) < len(depth) <= len(margin) or (leaves and depth == own)


def _opened_since(lines: list[str], margin: str) -> bool:
    """Tell whether a header among the lines may own a clause that follows them."""
    return any(_OPENS.match(line) and margin_of(line) == margin for line in lines)


def _one_kind(text: str, error: Finding) -> Iterator[str]:
    """Margins of tabs beside margins of spaces: spaces, if only one width of a tab gives a program."""
    lines = text.split("\n")
    margins = {margin_of(line)[:1] for line in lines[: error.line + 1] if line.strip()}
    if not {"\t", " "} <= margins:
        return
    first = outside_strings(text)  # a margin inside a string is the string's
    starts = list(accumulate((len(line) + 1 for line in lines[:-1]), initial=0))
    inside = [start < len(first) and not first[start] for start in starts]
    found: dict[str, str] = {}
    for width in (4, 8, 2):
        new = "\n".join(
            line if quoted else margin_of(line).expandtabs(width) + line[len(margin_of(line)) :]
            for line, quoted in zip(lines, inside, strict=True)
        )
        if (tree := quietly_parsed(new)) is not None:
            found.setdefault(ast.dump(tree), new)
    if len(found) == 1:
        yield from found.values()


def _clause(text: str, error: Finding) -> Iterator[str]:
    """A clause at a margin of its own goes to the only header above that it can belong to."""
    lines = text.split("\n")
    line = lines[error.line - 1] if error.line <= len(lines) else ""
    kind = _CLAUSE.match(line)
    if kind is None or shares_margin(lines, error.line - 1, error.line):
        return
    owners = _OWNERS[kind[0].split()[0]]
    within, depth = [], len(text)
    for above in reversed(lines[: error.line - 1]):
        width = len(margin_of(above).expandtabs())
        if above.strip() and width < depth:
            depth = width
            if owners.match(above) and HEADER.search(above):
                within.append(margin_of(above))
    if len(within) == 1:
        yield "\n".join([*lines[: error.line - 1], within[0] + line.strip(), *lines[error.line :]])


def _after_leaving(text: str, error: Finding) -> Iterator[str]:
    """Lines between the margins of a block and its header, behind what leaves the block: they stand at the header's."""
    lines = text.split("\n")
    number = error.line - 1
    widths = [len(margin_of(line).expandtabs()) for line in lines]
    above = next((at for at in range(min(number, len(lines)) - 1, -1, -1) if lines[at].strip()), None)
    if above is None or number >= len(lines) or not _LEAVES.match(lines[above]):
        return
    header = next((at for at in range(above, -1, -1) if lines[at].strip() and widths[at] < widths[above]), None)
    if header is None or not widths[header] < widths[number] < widths[above] or not HEADER.search(lines[header]):
        return
    margin, own = margin_of(lines[header]), margin_of(lines[number])
    last = number
    while last < len(lines) and (lines[last].startswith(own) or not lines[last].strip()):
        last += 1
    if shares_margin(lines, number, last):
        return  # its header may have moved, not the line
    moved = [margin + line[len(own) :] if line.strip() else line for line in lines[number:last]]
    yield "\n".join([*lines[:number], *moved, *lines[last:]])


def _returning(text: str, error: Finding) -> Iterator[str]:
    """A `return` at the margin of the function above it: the lines from its body on belong to it."""
    lines, number = text.split("\n"), error.line - 1
    margin = margin_of(lines[number]) if number < len(lines) else ""
    first = number
    while first > 0 and (not lines[first - 1].strip() or margin_of(lines[first - 1]) == margin):
        first -= 1
    header = next((at for at in range(first - 1, -1, -1) if lines[at].strip() and margin_of(lines[at]) == margin), None)
    between = [line for line in lines[first:number] if line.strip()]
    if header is None or not (found := _FUNCTION.match(lines[header])) or len(between) > _STRAY:
        return
    if any(BEGINS_BLOCK.match(line) or HEADER.search(line) or re.search(rf"\b{found[1]}\b", line) for line in between):
        return
    body = margin_of(next(line for line in lines[header + 1 :] if line.strip()))
    first = _next(lines, first)
    moved = [body + line[len(margin) :] if line.strip() else line for line in lines[first : number + 1]]
    yield "\n".join([*lines[:first], *moved, *lines[number + 1 :]])


RULES = (
    Rule(
        "return-at-margin",
        re.compile("'return' outside function"),
        "A `return` below a function, at its margin.",
        "Only a function returns; the lines between its body and the `return` are its too, if they do not use it.",
        "def size(box):\n    n = len(box)\nreturn n\n",
        "def size(box):\n    n = len(box)\n    return n\n",
        _returning,
    ),
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
        "clause-at-no-margin",
        re.compile("unindent does not match"),
        "A clause such as `else` at a margin that no header above it has.",
        "It belongs to the header that it can follow, where there is only one.",
        "def say(x):\n        if x:\n                print(1)\n            else:\n                print(2)\n",
        "def say(x):\n        if x:\n                print(1)\n        else:\n                print(2)\n",
        _clause,
    ),
    Rule(
        "margin-after-return",
        re.compile("unindent does not match"),
        "A line at no margin, behind one that leaves its block.",
        "Behind `return`, `break`, `continue` or `raise` nothing of the same block would run, so that the line stands "
        "at the margin of the block's header.",
        "def size(n):\n    if n < 0:\n        return 0\n      return n\n",
        "def size(n):\n    if n < 0:\n        return 0\n    return n\n",
        _after_leaving,
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
