"""What a line tells by its margin and its first or last characters, in text that need not parse."""

from __future__ import annotations

import re

HEADER = re.compile(r":\s*(?:#.*)?$")  # the line ends like one that a block follows
BEGINS_BLOCK = re.compile(r"\s*(?:@|(?:async\s+)?def\b|class\b|if __name__\b)")


def margin_of(line: str) -> str:
    """Return the white space that a line begins with."""
    return line[: len(line) - len(line.lstrip())]


def width_of(line: str) -> int:
    """Return how many columns of white space a line begins with."""
    return len(margin_of(line).expandtabs())


def shares_margin(lines: list[str], first: int, last: int) -> bool:
    """Tell whether a line besides those from ``first`` up to ``last`` begins where ``first`` does."""
    width = width_of(lines[first])
    return any(width_of(line) == width for line in (*lines[:first], *lines[last:]) if line.strip())
