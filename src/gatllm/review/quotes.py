"""Where a quote that a repair added belongs: strings end in blanks, and nobody leaves one before a comma."""

from __future__ import annotations

import io
import re
import tokenize
from contextlib import suppress
from functools import lru_cache

from gatllm.review.critics import compile_error

# Before an operator stands one blank: of several the others are the string's.
_BLANK_AFTER = re.compile(
    r"(?P<quote>['\"])(?P<blank> +)(?P<next>[,)\]}]|$| (?:[-+*/%<>=!]|(?:and|else|for|if|in|is|not|or)\b))"
)
# Nobody leaves blanks at the end of a line of code: before the next line's string they are this one's, with the mark.
_BLANK_AT_END = re.compile(r"(?P<quote>['\"])(?P<blank>[,.;:]? +)$")
_STRING_FIRST = re.compile(r"\s*[rRfFbBuU]{0,2}['\"]")
_BLANK_INSIDE = re.compile(r"=(?P<quote>['\"]) (?P<blank> *)(?=\S)")


def with_blanks_inside(before: str, after: str) -> str:
    """Return a repair with each added quote behind the blanks at the end of its string, and before those at its start.

    Args:
        before: the text as it was given.
        after: the repaired text; it compiles.
    """
    old, new = before.split("\n"), after.split("\n")
    if len(old) != len(new):
        return after
    for number, (one, other) in enumerate(zip(old, new, strict=True)):
        if one == other:
            continue
        moved = other
        at_end = _BLANK_AT_END.search(other)
        if at_end is not None and one.endswith(at_end["blank"]) and _STRING_FIRST.match("".join(new[number + 1 :][:1])):
            moved = other[: at_end.start()] + at_end["blank"] + at_end["quote"]
        for found in _BLANK_AFTER.finditer(other):
            if found[0] not in one or not found["next"]:
                end = other[found.end() :]
                moved = other[: found.start()] + found["blank"] + found["quote"] + found["next"] + end
                break
        else:
            begun = _BLANK_INSIDE.search(other)
            if begun is not None and begun[0] not in one and "= " in one:
                moved = f"{other[: begun.start()]}= {begun['quote']}{begun['blank']}{other[begun.end() :]}"
        if moved != other:
            tried = "\n".join([*new[:number], moved, *new[number + 1 :]])
            if compile_error(tried) is None:
                new[number] = moved
    return "\n".join(new)


def quoted(source: str, *kinds: int) -> list[tokenize.TokenInfo]:
    """Return the tokens of some kinds, such as ``tokenize.STRING``, as far as a text can be read."""
    return [token for token in _tokens(source) if token.type in kinds]


@lru_cache(maxsize=16)  # each candidate is compared with the same broken text, by several rules
def _tokens(source: str) -> tuple[tokenize.TokenInfo, ...]:
    found: list[tokenize.TokenInfo] = []
    with suppress(tokenize.TokenError, SyntaxError):
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            found.append(token)
    return tuple(found)
