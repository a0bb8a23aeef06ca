"""Python 2, until nothing of it is left: a file is old as a whole, and half of it fails only when it runs.

Nothing here needs lib2to3, which is gone from Python 3.13: the forms are few and each means one thing. A text is taken
for Python 2 where it has a form that no Python 3 has; then those that still parse are put right, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from gatllm.review.statement import Body, split, statement
from gatllm.review.tuple_parameters import in_definition, in_lambda
from gatllm.tokenizers.lexing.lenient import bare, outside_strings

_BODY = re.compile(r"(?P<colon>[ \t]*:[ \t]*)(?P<body>\n(?:[ \t]*\n)*(?P<margin>[ \t]+)\S)")

_VALID = "in|is|and|or|if|else|not|for"  # may follow the name `print`
_SIGNS = re.compile(  # forms of Python 2 that Python 3 has no use for
    rf"(?:^|;)[ \t]*(?:print[ \t]+(?:['\"]|(?!(?:{_VALID})\b)\w|>>[ \t]*\w)|exec[ \t]+['\"\w]|raise[ \t]+[\w.]+[ \t]*,)"
    r"|\bexcept[ \t]+(?:[\w.]+|\([^()\n]*\))[ \t]*,[ \t]*(?![^:\n]*\bas\b)[\w.(\[][^:\n]*:"
    r"|<>|\b(?:0[xX][\da-fA-F]+|\d+)[lL]\b|\b[uU][rR]['\"]"
    r"|^[ \t]*print[ \t]+`[^`\n]+`"  # elsewhere backticks may be the words of a docstring that lost a quote
    r"|\blambda[ \t]*\(|\bdef[ \t]+\w+[ \t]*\((?:[^()\n]*,)?[ \t]*\(",
    re.M,
)
_PRINT_TO = re.compile(r"^(?P<margin>[ \t]*)print[ \t]*>>[ \t]*", re.M)
_PRINT = re.compile(r"(?:^[ \t]*|[:;][ \t]*)print\b[ \t]*+(?![(=.,)\]\n;#]|>>|in\b|$)", re.M)
_PRINT_NOTHING = re.compile(r"(?P<margin>^[ \t]*|;[ \t]*)print(?=[ \t]*(?:[;#]|$))", re.M)
_HAS_KEY = re.compile(r"(?P<what>(?<![\w.])[A-Za-z_][\w.]*)\.has_key\((?P<key>[^()\n]*(?:\([^()\n]*\))?[^()\n]*)\)")
_LONG = re.compile(r"(?<![\w.])(?P<digits>0[xX][\da-fA-F]+|0[0-7]+|\d+)[lL](?!\w)")
_LAMBDA = re.compile(r"\blambda\b[ \t]*")
_DEFINITION = re.compile(r"^[ \t]*def[ \t]+\w+[ \t]*\(", re.M)
_CAUGHT = re.compile(
    r"(?P<head>\bexcept[ \t]+(?:[\w.]+|\([^()\n]*\)))[ \t]*,[ \t]*(?![^:\n]*\bas\b)"
    r"(?P<target>[\w.(\[][^:\n]*?)[ \t]*:(?=\n)"
)
_BACKTICKS = re.compile(r"(?<![`\w])`(?P<what>[^`\n]+)`(?!`)")
_UNEQUAL = re.compile(r"<>")


def is_python2(text: str) -> bool:
    """Tell whether a text that does not compile has a form, outside strings, that only Python 2 knows.

    Where quotes of docstrings do not pair nobody can tell code from prose: then it is not taken for Python 2.
    """
    if any(text.count(quote) % 2 for quote in ('"""', "'''")):
        return False
    return any(_outside(text, found.start(), len(found[0]) - len(found[0].lstrip())) for found in _SIGNS.finditer(text))


def rest_of_python2(text: str) -> str:
    """Put right what Python 3 parses and fails at when it runs, and what takes more than a line: see `_RULES`."""
    for pattern, rewrite in _RULES:
        out, at = [], 0
        for found in pattern.finditer(text):
            if found.start() < at or not _outside(text, found.start(), len(found[0]) - len(found[0].lstrip())):
                continue
            done = rewrite(found)
            if done is not None:
                new, end = done
                out += [text[at : found.start()], new]
                at = end
        text = "".join([*out, text[at:]])
    return text


def arguments(following: str) -> tuple[Body, str, str] | None:
    """What follows a statement's word: its lexemes, their text, and what is behind the statement; None if none is said.

    ``print = 3`` is an assignment.
    """
    stated = statement(following)
    if stated is None:
        return None
    body, rest = stated
    said = "".join(piece.text for piece, _ in body)
    return None if not said.strip() or len(split(body, "=")) > 1 else (body, said, rest)


def printed(head: str, following: str) -> tuple[str, str] | None:
    """``print a, b,``: the call that it was, and what follows the statement; ``head`` ends with the word."""
    if (stated := arguments(following)) is None:
        return None
    _, said, rest = stated
    goes_on = ' end=" "' if said.rstrip().endswith(",") else ""
    return f"{head.rstrip()}({said.strip()}{goes_on}){said[len(said.rstrip()) :]}", rest


def _outside(text: str, at: int, skipped: int) -> bool:
    """Tell whether a place stands outside strings and comments, as far as its own line tells.

    Strings of several lines are told by the parity of their quotes above: good enough for a text that does not parse.
    """
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    line = text[start : len(text) if end < 0 else end]
    inside = any(text.count(quote, 0, start) % 2 for quote in ('"""', "'''"))
    here = at + skipped - start
    return not inside and (here >= len(line) or outside_strings(line)[here])


def _print_to(found: re.Match[str]) -> tuple[str, int] | None:
    """``print >>f, a, b``: ``print(a, b, file=f)``."""
    stated = statement(found.string[found.end() :])
    if stated is None:
        return None
    body, rest = stated
    parts = split(body, ",")
    if not parts[0]:
        return None
    goes_on = len(parts) > 1 and not parts[-1]
    values = [part for part in parts[1:] if part]
    ending = ['end=" "'] if goes_on and values else []
    call = ", ".join([*values, *ending, f"file={parts[0]}"])
    return f"{found['margin']}print({call})", len(found.string) - len(rest)


def _print(found: re.Match[str]) -> tuple[str, int] | None:
    done = printed(found[0], found.string[found.end() :])
    return (done[0], len(found.string) - len(done[1])) if done is not None else None


def _print_nothing(found: re.Match[str]) -> tuple[str, int]:
    return f"{found['margin']}print()", found.end()


def _has_key(found: re.Match[str]) -> tuple[str, int]:
    return f"({found['key'].strip()} in {found['what']})", found.end()


def _long(found: re.Match[str]) -> tuple[str, int]:
    digits = found["digits"]
    octal = len(digits) > 1 and digits[0] == "0" and digits[1] not in "xX"
    return (f"0o{digits[1:]}" if octal else digits), found.end()


def _caught(found: re.Match[str]) -> tuple[str, int] | None:
    """``except E, (code, words):`` and ``except E, self.error:``: a name, and the body begins with the assignment."""
    body = _BODY.match(found.string, found.end() - 1)
    target = found["target"].strip()
    plain = re.fullmatch(r"\w+", target) or len(split(list(bare(target)), ",")) > 1
    if body is None or plain or re.search(r"\berror\b(?!\s*[:=])", _plain(found.string, target)):
        return None
    several = target[0] in "(["
    if several and "," not in target:
        return None
    said = f"{target[1:-1] if several else target} = error{'.args' * several}"
    return f"{found['head']} as error:\n{body['margin']}{said}", found.end()


def _plain(text: str, target: str) -> str:
    """A text without a target and the attributes in it."""
    return re.sub(r"\.\w+", "", text.replace(target, ""))


def _repr(found: re.Match[str]) -> tuple[str, int]:
    several = len(split(list(bare(found["what"])), ",")) > 1
    return f"repr(({found['what']}))" if several else f"repr({found['what']})", found.end()


def _unequal(found: re.Match[str]) -> tuple[str, int]:
    return "!=", found.end()


_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], tuple[str, int] | None]], ...] = (
    (_PRINT_TO, _print_to),
    (_PRINT, _print),
    (_PRINT_NOTHING, _print_nothing),
    (_HAS_KEY, _has_key),
    (_LONG, _long),
    (_LAMBDA, in_lambda),
    (_DEFINITION, in_definition),
    (_CAUGHT, _caught),
    (_BACKTICKS, _repr),
    (_UNEQUAL, _unequal),
)
