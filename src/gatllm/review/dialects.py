"""What Python 2 and other languages write differently, put into Python's words in the line that the compiler names.

Nothing here is guessed: each form means one thing where it comes from, and is none of Python's where the compiler
stops at it. What of Python 2 still parses is put right by `python2`.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from itertools import islice

from gatllm.review.critics import Finding, compile_error
from gatllm.review.hints import hinted
from gatllm.review.pastes import cleaned, pasted
from gatllm.review.region import offset
from gatllm.review.rules import repairs
from gatllm.review.statement import split, statement, step
from gatllm.tokenizers.lexer import bare, outside_strings

_Rewrite = Callable[["re.Match[str]", str], str | None]  # the match in its line, what follows the line → the statement
_TRIED = 24  # ways at most for one error
_LONGEST = 1000  # characters of a line that is looked at
_TOKENISER = re.compile("unmatched|does not match|unterminated|never closed")
_BLOCK = r"\s*(?:if|elif|else|for|while|try|except|finally|with|def|class)\b"
_JOINS = "in|is|and|or|if|else|for|not|as|from|import|async"
_EXCEPTION = re.compile(r"\w*(?:Error|Exception|Warning|Interrupt|Exit)")


def translate_all(
    text: str, error: Finding | None, until: float
) -> tuple[str, Finding | None, tuple[tuple[str, str], ...]]:
    """Return ``text`` after `translate` as often as it helps, what the compiler says then, and the steps.

    A step is the text before a rule was applied and after it. ``until`` is when to stop (`time.monotonic`).
    """
    steps: list[tuple[str, str]] = []
    while error is not None and time.monotonic() < until and (done := translate(text, error)) is not None:
        steps.append((text, done[0]))
        text, error = done
    return text, error, tuple(steps)


def translate(text: str, error: Finding) -> tuple[str, Finding | None] | None:
    """Return ``text`` with the form at the error put into Python, and what the compiler says now.

    None where there is none, or the compiler gets no further with it.
    """
    whole = [(new, compile_error(new)) for new in pasted(text, error.line)]
    best = max(whole, key=lambda pair: math.inf if pair[1] is None else pair[1].line, default=None)
    if best is not None and (best[1] is None or best[1].line > error.line):  # lines stay lines
        return best
    for new in islice(_translations(text, error), _TRIED):
        after = compile_error(new) if new != text else error
        if after is None or _further(text, error, new, after):
            return new, after
    return None


def _further(text: str, error: Finding, new: str, after: Finding) -> bool:
    """Tell whether the compiler now stops behind the change, and behind where it stopped before.

    On the same line it must not be the tokeniser that complains: then the change cut a string or a bracket in two.
    Where it complained before and is content now, the parser has begun to read.
    """
    if _TOKENISER.search(error.message) and not _TOKENISER.search(after.message):
        return True
    most = min(len(text), len(new))
    same = next((n for n in range(most) if text[-1 - n] != new[-1 - n]), most)
    at = offset(new, after.line, after.column)
    if len(new) - at > same or len(new) - at >= len(text) - offset(text, error.line, error.column):
        return False
    return "\n" in new[len(new) - same : at] or not _TOKENISER.search(after.message)


def _translations(text: str, error: Finding) -> Iterator[str]:
    """Yield ``text`` with one form in the line of the error, or the one before, as Python has it."""
    yield from repairs(text, error)
    yield from hinted(text, error)
    for line in (error.line, error.line - 1):
        start = offset(text, line, 1) if line > 0 else len(text)
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        if not 0 < end - start <= _LONGEST:
            continue
        yield from cleaned(text, start, end)
        code = outside_strings(text[start:end])
        for pattern, rewrite, anywhere in _RULES:
            for found in pattern.finditer(text[start:end]):
                here = found.start() + len(found[0]) - len(found[0].lstrip(" \t;:"))
                if anywhere or (here < len(code) and code[here]):
                    new = rewrite(found, text[end:])
                    if new is not None:
                        yield text[: start + found.start()] + new


def _called(found: re.Match[str], after: str) -> str | None:
    """``print a, b`` and ``exec code in names``: a call."""
    stated = statement(found.string[found.end() :] + after)
    if stated is None:
        return None
    body, rest = stated
    said = "".join(piece.text for piece, _ in body)
    if not said.strip() or len(split(body, "=")) > 1:
        return None
    head, space = found[0].rstrip(), said[len(said.rstrip()) :]
    if found["word"] == "exec":
        return f"{head}({', '.join(split(body, 'in'))}){space}{rest}"
    goes_on = ' end=" "' if said.rstrip().endswith(",") else ""
    return f"{head}({said.strip()}{goes_on}){space}{rest}"


def _raised(found: re.Match[str], after: str) -> str | None:
    """``raise E, message, traceback``."""
    stated = statement(found.string[found.end() :] + after)
    if stated is None:
        return None
    body, rest = stated
    parts = split(body, ",")
    if not 2 <= len(parts) <= 3 or not all(parts):
        return None
    traced = f".with_traceback({parts[2]})" if len(parts) == 3 else ""
    last = body[-1][0]
    space = last.text if last.kind == "space" else ""
    return f"{found[0]}{parts[0]}({parts[1]}){traced}{space}{rest}"


def _caught(found: re.Match[str], after: str) -> str:
    """``except E, e:`` or, in Python 3's spirit, ``except E, F:``."""
    kinds, name = found["kinds"], found["name"]
    both = f"({kinds}, {name}):" if _EXCEPTION.fullmatch(name) else f"{kinds} as {name}:"
    return f"{found['head']}{both}{found.string[found.end() :]}{after}"


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


def _braced(found: re.Match[str], after: str) -> str | None:
    """``if (x) {``: a block, unless the brace may open a dict."""
    head = found["head"]
    if sum(step(piece, outside) for piece, outside in bare(head)) or re.search(
        r"(?:[-+*/%=<>,.(\[{|&^~]|\b(?:in|is|not|and|or|return))$", head
    ):
        return None
    return f"{head}:{after}"


def _put(template: str) -> _Rewrite:
    def rewrite(found: re.Match[str], after: str) -> str:
        return found.expand(template) + found.string[found.end() :] + after

    return rewrite


_INNER_QUOTES = r"""(?<=[=(,\[{ ])"(?P<a>[^"'\n]+)"(?P<b>\w(?:[^"'\n]*\w)?)"(?P<c>[^"'\n]*)"(?=\s*(?:[,)\]}:]|$))"""
_RULES: list[tuple[re.Pattern[str], _Rewrite, bool]] = [  # the form, what to write, whether it may lie in a string
    (re.compile(pattern), rewrite, anywhere)
    for pattern, rewrite, anywhere in (
        (r"(?:^|[:;])\s*(?P<word>print|exec)\b\s*+(?![(=.,)\]]|in\b)", _called, False),
        (r"(?:^|[:;])\s*raise\s+(?=[\w.]+\s*,)", _raised, False),
        (r"(?P<head>\bexcept\s+)(?P<kinds>[\w.]+|\([^()]*\))\s*,\s*(?P<name>\w+)\s*:", _caught, False),
        (r"^(?P<space>\s*)(?:else\s+if|else?s?if|elsif)\b(?!:)", _put(r"\g<space>elif"), False),
        (r"(?P<name>[\w.\]\[]+)\s*(?P<mark>\+|-)(?P=mark)\s*;?\s*$", _put(r"\g<name> \g<mark>= 1"), False),
        (r"^(?P<shell>[!%]{1,2}[a-z].*)$", _put(r"# \g<shell>"), False),
        (r"(?<=\S)(?<![=!<>\w'\"])!\s*(?=[\w(])", _put("not "), False),
        (r"^(?P<name>\s*[\w.]+\s*):=", _put(r"\g<name>="), False),
        (r"(?<=\s)(?<![^=!<>]=\s)!\s*(?=[\w(])", _put("not "), False),  # behind `=` it is a shell's, in a notebook
        (rf"\b(?P<me>self|cls) (?!(?:{_JOINS})\b)(?=[A-Za-z_])", _put(r"\g<me>."), False),
        (r"`(?P<what>[^`]+)`", _put(r"repr(\g<what>)"), False),
        (r"(?<![\w.])0+(?P<digits>[1-9]\d*)(?![\w.])", _octal, False),
        (r"(?<![\w.])(?P<digits>(?:0[xX][\da-fA-F]+|\d+))[lL](?!\w)", _put(r"\g<digits>"), False),
        (r"\b[uU](?P<raw>[rR])(?=['\"])", _put(r"\g<raw>"), False),
        (rf"^(?P<head>{_BLOCK}(?:.*[^\s:])?)\s*+:?\s*+\{{\s*$", _braced, False),
        (r"^\s*\}\s*;?\s*$", lambda _, after: after[1:], False),
        (r"^(?P<space>\s*)(?:function|func|fn|fun)\s+(?=\w+\s*\()", _put(r"\g<space>def "), False),
        (r"^(?P<space>\s*)(?:var|let|const)\s+(?=\w+\s*=)", _put(r"\g<space>"), False),
        (r"^(?P<space>\s*)throw\s+(?:new\s+)?", _put(r"\g<space>raise "), False),
        (r"\bnew\s+(?=[A-Za-z_][\w.]*\()", _put(""), False),
        (r"^(?P<space>\s*)//(?=\s*[A-Za-z]\w*[ ,.']+[A-Za-z])", _put(r"\g<space>#"), False),
        (r"^(?P<head>\s*(?:el)?if\b.*?)\s+then\s*+:?\s*$", _put(r"\g<head>:"), False),
        (r"(?P<head>\blambda\b[^:]*:)\s*return\s+", _put(r"\g<head> "), False),
        (r"(?<!\w)'(?P<said>[^'\"]*\w'\w[^'\"]*)'(?!\w)", _put(r'"\g<said>"'), True),
        (_INNER_QUOTES, _put(r"""'\g<a>"\g<b>"\g<c>'"""), True),
        (r"(?P<head>\b[fF]\"[^\"]*\{[^\"{}]*)\"(?P<key>[^\"'{}]*)\"(?=[^{}\"]*\})", _put(r"\g<head>'\g<key>'"), True),
        (r"(?P<head>\b[fF]'[^']*\{[^'{}]*)'(?P<key>[^\"'{}]*)'(?=[^{}']*\})", _put(r'\g<head>"\g<key>"'), True),
    )
]
