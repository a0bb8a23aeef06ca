"""Code that someone is still typing: nothing is to be preferred there, and nothing invented."""

from __future__ import annotations

import re

from gatllm.editor.positions import Lines, Replacement
from gatllm.review.critics import Finding

# What ends a line of which more is to come: an operator, an opening bracket, a keyword that wants an operand.
_MORE = re.compile(
    r"(?:[-+*/%@&|^~<>=.,(\[{\\]|\b(?:import|from|as|in|is|not|and|or|if|elif|while|for|with|lambda|def|class|assert|"
    r"del|async|await|global|nonlocal|except|return|raise|yield))\Z"
)
_COMMENT = re.compile(r"(?:^|\s)#[^\"']*$")
_CLOSERS = re.compile(r"[\s)\]}\"':]*+(?:pass)?\s*+\Z")


def is_unfinished(text: str, error: Finding) -> bool:
    """Tell whether the error looks like one of typing: nothing comes after it, or its line wants more."""
    lines = Lines(text)
    row = min(error.line, len(lines)) - 1
    code = [_COMMENT.sub("", lines.line(number)).strip() for number in range(len(lines))]
    if not any(code[row + 1 :]):
        return True
    before = next((line for line in reversed(code[:row]) if line), "")
    return any(_MORE.search(line) for line in (code[row], before) if not line.endswith(":"))


def only_completes(replacements: list[Replacement]) -> bool:
    """Tell whether a repair adds only what code that breaks off must end in: brackets, quotes, ``:``, ``pass``."""
    return all(one.start == one.end and _CLOSERS.match(one.text) for one in replacements)
