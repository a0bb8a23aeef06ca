"""What a repair does to lines that it only moves: out of their block, into another one, to a margin of their own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from gatllm.review.ends import equal_ends, opcodes
from gatllm.review.lines import BEGINS_BLOCK, HEADER, margin_of

_OPENS = re.compile(r"\s*class\s+\w+")
_METHOD = re.compile(r"(?:async\s+)?def\s+\w+\s*\(\s*(?:self|cls)\b")
LAYOUT = frozenset(
    {
        *("block-not-indented", "tabs-beside-spaces", "clause-at-no-margin", "margin-after-return"),
        *("return-at-margin", "clause-in-block", "blank-before-statement"),
    }
)  # rules that move lines, and know where to
_TAB = 8  # columns of a tab
_TAIL = 200  # characters by which the end of a text is known
_FUNCTION = re.compile(r"\s*(?:async\s+)?def\b")
_LEAVES = re.compile(r"\s*(?:return|raise)\b")
_ENDS_BLOCK = re.compile(BEGINS_BLOCK.pattern + r"|\s*[)\]}]")


def displaced(before: str, after: str, steps: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """What stood at the top level stays there, unless it is the body that a header lacks; no margin is a new one."""
    old, new = before.split("\n"), after.split("\n")
    granted = _granted(before, steps)
    moves = {at: line for _, at, line in _moved_lines(before, after) if granted[old[at].strip()] <= 0}
    known = {len(margin_of(line).expandtabs()) for line in old if line.strip()}
    unit = _TAB if any("\t" in margin_of(line) for line in old) else min(known - {0}, default=4)
    for at, moved in moves.items():
        line, to = old[at], len(margin_of(moved).expandtabs())
        out = to < len(margin_of(line).expandtabs())
        if out and not to and _METHOD.match(line.strip()):
            yield f"line {at + 1} would leave its class"
        if _METHOD.match(line):
            continue
        outermost = not line[0].isspace() and moved[0].isspace()
        if (outermost and not _is_body(old, at)) or _apart(old, at, moved) or _is_cut_short(old, at, moves):
            yield f"line {at + 1} would move into the block above it"
        elif to not in known and to % unit:
            yield f"line {at + 1} would stand at a margin that nothing else has"
        elif out and HEADER.search(line) and _is_inwards(old, at + 1, moves):
            yield f"line {at + 1} would move out, and its block in"
        elif out and _passed_before(new, moved, before):
            yield f"line {at + 1} would leave its block, and `pass` would stand for it"
    yield from _beheaded(old, new)
    said = {"".join(line.split()) for line in new} - {"".join(line.split()) for line in old}
    for above, at in pairwise(number for number, line in enumerate(old) if line.strip()):
        if HEADER.search(old[above]) and "".join((old[above] + old[at]).split()) in said:
            inside = {at: margin_of(old[above]) + " " * unit + old[at].strip()}
            if at - above > 1 or _is_cut_short(old, at, inside):
                yield f"line {at + 1} would move into the line of the header before it"


def _beheaded(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    """Headers above a deeper block that would be statements without their colon."""
    stood, stands = {line.strip() for line in old}, {line.strip() for line in new}
    for at, line in enumerate(old):
        head = line.strip()
        if head.endswith(":") and head not in stands and (bare := head[:-1].rstrip()) in stands - stood:
            below = next((one for one in old[at + 1 :] if one.strip()), "")
            if bare[-1:] != ":" and len(margin_of(below).expandtabs()) > len(margin_of(line).expandtabs()):
                yield f"line {at + 1} would lose its colon, with a block below it"


def _is_inwards(lines: list[str], number: int, moves: Mapping[int, str]) -> bool:
    return number in moves and len(margin_of(moves[number])) > len(margin_of(lines[number]))


def _passed_before(lines: list[str], moved: str, before: str) -> bool:
    """Tell whether a new `pass` stands before a line that was moved out."""
    above = next((one for one, other in pairwise(lines) if other == moved and one.strip() == "pass"), None)
    return above is not None and f"{above}\n" not in before


def _granted(before: str, steps: Sequence[tuple[str, str, str]]) -> Counter[str]:
    """The lines that rules about blocks moved: those that saw the end of the text, not of a part of it."""
    seen = [(given, new) for given, new, rule in steps if rule in LAYOUT and before[-_TAIL:] == given[-_TAIL:]]
    return Counter(old[at].strip() for given, new in seen for old, at, _ in _moved_lines(given, new))


def _moved_lines(before: str, after: str) -> Iterator[tuple[list[str], int, str]]:
    """Yield the lines of ``before``, the number of one that stands at another margin in ``after``, and it there."""
    old, new = before.split("\n"), after.split("\n")
    head, tail = equal_ends(old, new)
    left, right = (lines[head : len(lines) - tail] for lines in (old, new))
    for kind, i1, i2, j1, _ in opcodes([line.strip() for line in left], [line.strip() for line in right]):
        for at in range(i1, i2) if kind == "equal" else ():
            line, moved = left[at], right[j1 + at - i1]
            if line.strip() and margin_of(line) != margin_of(moved):
                yield old, head + at, moved


def _is_cut_short(lines: list[str], number: int, moves: Mapping[int, str]) -> bool:
    """Tell whether only the first lines of a function's body would move into it, and the next ones may be its too."""
    line, above = lines[number], lines[number - 1] if number else ""
    if not _FUNCTION.match(above) or not HEADER.search(above) or len(margin_of(moves[number])) <= len(margin_of(line)):
        return False
    if len(margin_of(line)) > len(margin_of(above)):
        return False
    for at in range(number + 1, len(lines)):
        if not lines[at].strip() or margin_of(lines[at]) > margin_of(line):
            continue
        apart = at - max((n for n in range(at) if lines[n].strip()), default=at) > 2
        left = _LEAVES.match(lines[at - 1]) or _LEAVES.match(line)
        ends = apart or left or _ENDS_BLOCK.match(lines[at]) or margin_of(lines[at]) < margin_of(line)
        if at not in moves or ends:
            return at not in moves and not ends
    return False


def _apart(lines: list[str], number: int, moved: str) -> bool:
    """Tell whether a line that was moved inwards stood at its header's margin, a blank line away: no body of it."""
    line, before = lines[number], lines[number - 1] if number else "x"
    header = next((one for one in reversed(lines[:number]) if one.strip()), "")
    inwards = margin_of(moved).expandtabs() > margin_of(line).expandtabs()
    return inwards and not before.strip() and bool(HEADER.search(header)) and margin_of(header) == margin_of(line)


def _is_body(lines: list[str], number: int) -> bool:
    """Tell whether a line at the top level belongs to lines that follow a header without a body."""
    for at in range(number - 1, -1, -1):
        line = lines[at]
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if HEADER.search(line):  # what stands apart from it, or begins a block of its own kind, is not a body
            return bool(lines[at + 1].strip()) and not (_OPENS.match(line) and _OPENS.match(lines[at + 1]))
        if line[0].isspace():
            return False
    return False
