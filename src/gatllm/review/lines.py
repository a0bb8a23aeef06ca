"""What a line tells by its margin and its first or last characters, in text that need not parse."""

from __future__ import annotations

import re

HEADER = re.compile(r":\s*(?:#.*)?$")  # the line ends like one that a block follows
BEGINS_BLOCK = re.compile(r"\s*(?:@|(?:async\s+)?def\b|class\b|if __name__\b)")


def margin_of(line: str) -> str:
    """Return the white space that a line begins with."""
    return line[: len(line) - len(line.lstrip())]
