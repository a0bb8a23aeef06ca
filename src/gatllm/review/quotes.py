"""Where a quote that a repair added belongs: strings end in blanks, and nobody leaves one before a comma."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache

from gatllm.review.critics import compile_error

# Before an operator stands one blank: of several the others are the string's.
_BLANK_AFTER = re.compile(
    r"(?P<quote>['\"])(?P<blank> +)(?P<next>[,:)\]}]|\.(?=[a-z])|$| (?:[-+*/%<>=!]|(?:and|else|for|if|in|is|not|or)\b))"
)
# Nobody leaves blanks at the end of a line of code: before the next line's string they are this one's, with the mark.
_BLANK_AT_END = re.compile(r"(?P<quote>['\"])(?P<blank>[,.;:]? +)$")
TRIPLE = ('"""', "'''")
_STRING_FIRST = re.compile(r"\s*[rRfFbBuU]{0,2}['\"]")
_BLANK_INSIDE = re.compile(r"(?P<sign>[=,:])(?P<quote>['\"]) (?P<blank> *)(?=\S)")


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
            added = f"{other[: found.start()]}{other[found.start() + 1 :]}" == one
            if added or found[0] not in one or not found["next"]:
                end = other[found.end() :]
                moved = other[: found.start()] + found["blank"] + found["quote"] + found["next"] + end
                break
        else:
            begun = _BLANK_INSIDE.search(other)
            if begun is not None and begun[0] not in one and f"{begun['sign']} " in one:
                moved = (
                    f"{other[: begun.start()]}{begun['sign']} {begun['quote']}{begun['blank']}{other[begun.end() :]}"
                )
        if moved != other:
            tried = "\n".join([*new[:number], moved, *new[number + 1 :]])
            if compile_error(tried) is None:
                new[number] = moved
    return "\n".join(new)


def misplaced(before: str, after: str) -> Iterator[str]:
    """Yield in plain words why the one quote that a repair added may belong elsewhere.

    Args:
        before: the text as it was given.
        after: the repaired text.
    """
    old, new = before.split("\n"), after.split("\n")
    changed = [number for number, (one, other) in enumerate(zip(old, new, strict=False)) if one != other]
    if len(old) != len(new) or len(changed) != 1:
        return
    number = changed[0]
    line = new[number]
    added = (at for at, sign in enumerate(line) if sign in "'\"" and line[:at] + line[at + 1 :] == old[number])
    if (at := next(added, None)) is None:
        return
    strings = [token for token in quoted(after, tokenize.STRING) if token.start[0] == token.end[0] == number + 1]
    string = next((token for token in strings if token.start[1] <= at < token.end[1]), None)
    if string is None or string.string[:3] in TRIPLE:
        return
    inner, ahead = string.string.strip(string.string[-1]), line[: string.start[1]]
    if inner and not inner.strip("'\""):
        yield "which quote is the string, and which its end, is not clear"
    if len(inner) > 1 and inner[:2].isspace() and not ahead.endswith(" "):
        yield "blanks before a string would become a part of it"
    around = [new[other] if 0 <= other < len(new) else "" for other in (number - 1, number + 1)]
    if not all(map(_STRING_FIRST.match, around)):
        return
    above, below = (len(one) - len(one.lstrip()) for one in around)
    if not ahead.strip() and above == below != len(ahead):
        yield "a string may begin with blanks"
    if line.endswith(f"{string.string},") and not around[0].rstrip().endswith(","):
        yield "a comma may belong into a string"


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
