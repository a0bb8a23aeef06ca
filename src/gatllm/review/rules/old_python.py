"""Forms of Python 2 that Python 3 does not parse. What of it still parses is put right by `review.python2`."""

from __future__ import annotations

import re

from gatllm.review.python2 import arguments, printed
from gatllm.review.rules.forms import form
from gatllm.review.rules.rule import Rule
from gatllm.review.statement import split, statement, step
from gatllm.tokenizers.lexing.lenient import bare

_EXCEPTION = re.compile(r"\w*(?:Error|Exception|Warning|Interrupt|Exit)")


def _called(found: re.Match[str], after: str) -> str | None:
    """``print a, b`` and ``exec code in names``: a call."""
    following = found.string[found.end() :] + after
    if found["word"] == "print":
        done = printed(found[0], following)
        return done and "".join(done)
    if (stated := arguments(following)) is None:
        return None
    body, said, rest = stated
    return f"{found[0].rstrip()}({', '.join(split(body, 'in'))}){said[len(said.rstrip()) :]}{rest}"


def _raised(found: re.Match[str], after: str) -> str | None:
    """``raise E, message, traceback``: a tuple as the message is all arguments, and None is none."""
    stated = statement(found.string[found.end() :] + after)
    if stated is None:
        return None
    body, rest = stated
    parts = split(body, ",")
    if not 2 <= len(parts) <= 3 or not all(parts):
        return None
    is_made = parts[0].endswith(")")
    if is_made and parts[1] != "None":
        return None
    traced = f".with_traceback({parts[2]})" if len(parts) == 3 else ""
    said = "" if parts[1] == "None" else parts[1]
    given = "" if is_made else said if _in_brackets(said) else f"({said})"
    last = body[-1][0]
    space = last.text if last.kind == "space" else ""
    return f"{found[0]}{parts[0]}{given}{traced}{space}{rest}"


def _in_brackets(text: str) -> bool:
    """Tell whether an expression stands in round brackets as a whole."""
    depth = 0
    for piece, outside in bare(text):
        depth += step(piece, outside)
        if depth == 0 and piece.end < len(text):
            return False
    return text.startswith("(")


def _iterated(found: re.Match[str], after: str) -> str | None:
    """``[x for x in 1, 2]``: the values are one tuple."""
    depth, out, rest = 0, "", found.string[found.end() :]
    for piece, outside in bare(rest):
        depth += step(piece, outside)
        if depth < 0 or (depth == 0 and outside and piece.text in ("if", "for")):
            break
        out += piece.text
    else:
        return None
    said = out.rstrip()
    if piece.text not in ("]", "if") or len(split(list(bare(said)), ",")) < 2:
        return None
    return f"{found[0]}({said}){out[len(said) :]}{rest[piece.start :]}{after}"


def _caught(found: re.Match[str], after: str) -> str:
    """``except E, e:`` or, in Python 3's spirit, ``except E, F:``."""
    kinds, name = found["kinds"], found["name"]
    both = f"({kinds}, {name}):" if _EXCEPTION.fullmatch(name) else f"{kinds} as {name}:"
    return f"{found['head']}{both}{found.string[found.end() :]}{after}"


def _all_caught(found: re.Match[str], after: str) -> str:
    """``except E, F, G:``, ``except E, F as e:`` and ``except* E, F:``: all of them are exceptions."""
    return f"{found['head']}({found['kinds'].rstrip()}){found['rest']}{found.string[found.end() :]}{after}"


def _octal(found: re.Match[str], after: str) -> str | None:
    """``0755`` was octal, ``08`` never anything but a date's eight; ``01`` is one either way."""
    digits = found["digits"]
    if len(digits) == 1 or set(digits) & set("89"):
        new = digits
    elif len(digits) > 2:
        new = f"0o{digits}"
    else:
        return None
    return new + found.string[found.end() :] + after


_WHY = "Python 2 wrote it so, and Python 3 has no other use for it."
RULES: tuple[Rule, ...] = (
    form("print-statement", "`print` and `exec` as statements.", _WHY, ('print "a", b\n', 'print("a", b)\n'),
        r"(?:^|[:;])\s*(?P<word>print|exec)\b\s*+(?![(=.,)\]]|in\b)", _called),
    form("raise-with-comma", "`raise` with its message behind a comma.", _WHY,
        ('raise ValueError, "bad"\n', 'raise ValueError("bad")\n'),
        r"(?:^|[:;])\s*raise\s+(?=[\w.]+(?:\([^()]*\))?\s*,)", _raised),
    form("except-with-comma", "`except` with the name, or a second exception, behind a comma.",
        "Python 2 gave the exception a name so. Where the second word is called like an exception, it is one.",
        ("try:\n    x\nexcept OSError, e:\n    y\n", "try:\n    x\nexcept OSError as e:\n    y\n"),
        r"(?P<head>\bexcept\s+)(?P<kinds>[\w.]+|\([^()]*\))\s*,\s*(?P<name>\w+)\s*:", _caught),
    form("exceptions-without-brackets", "Several exceptions without parentheses.",
        "With a third word, a star or an `as` it can't be Python 2's way to name one. Python 3.14 reads some of them.",
        ("try:\n    x\nexcept OSError, KeyError, EOFError:\n    y\n",
         "try:\n    x\nexcept (OSError, KeyError, EOFError):\n    y\n"),
        r"(?P<head>\bexcept(?:\*\s*(?=[\w.]+\s*,)|\s+(?=[\w.]+\s*,[^:]*(?:,|\bas\b))))"
        r"(?P<kinds>[\w.]+(?:\s*,\s*[\w.]+)+)(?P<rest>(?:\s+as\s+\w+)?\s*:)",
        _all_caught),
    form("tuple-in-comprehension", "A comprehension over values without brackets.", _WHY,
        ("all = [n for n in 1, 2]\n", "all = [n for n in (1, 2)]\n"), r"\[[^\[\]]*\bfor\b[^\[\]]*?\bin\s+", _iterated),
    form("backticks", "Backticks around an expression.", _WHY, ("s = `x + 1`\n", "s = repr(x + 1)\n"),
        # Only in a line that is code beyond doubt: docstrings and comments have backticks of their own.
        r"(?P<head>^\s*(?:[\w.\[\]]+\s*[-+*/%|&]?=|print\b|return\b|if\b|while\b|assert\b)[^`'\"#]*)`(?P<what>[^`\n]+)`",
        r"\g<head>repr(\g<what>)"),
    form("leading-zeros", "A whole number that begins with zeros.",
        "Such a number of three digits or more was octal; a shorter one, or one with an 8 or 9, was a date's.",
        ("os.chmod(f, 0755)\n", "os.chmod(f, 0o755)\n"), r"(?<![\w.])0+(?P<digits>[1-9]\d*)(?![\w.])", _octal),
    form("long-number", "A whole number with an L.", _WHY, ("n = 10L\n", "n = 10\n"),
        r"(?<![\w.])(?P<digits>(?:0[xX][\da-fA-F]+|\d+))[lL](?!\w)", r"\g<digits>"),
    form("raw-unicode", "The prefix `ur` of a string.", _WHY, ('p = ur"\\d"\n', 'p = r"\\d"\n'),
        r"\b[uU](?P<raw>[rR])(?=['\"])", r"\g<raw>"),
)  # fmt: skip
