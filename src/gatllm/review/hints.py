"""What the compiler's own words suggest, where it says enough to act on."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gatllm.review.critics import Finding, compile_error
from gatllm.review.region import offset
from gatllm.tokenizers.lexer import bare

_ASSIGNED = re.compile(r"(?<![=!<>:+\-*/%&|^@])=(?!=)")
_CONDITION = re.compile(r"\s*(?:if|elif|while|assert|return|and|or|not)\b")
_NO_BLOCK = re.compile(r"expected an indented block after .* on line (\d+)")
_CLAUSE = re.compile(r"\s*(?:elif|else|except|finally)\b")
_DEFINITION = re.compile(r"\s*(?:@|async\s+def\b|def\b|class\b)")
_CLOSES = {"(": ")", "[": "]", "{": "}"}


def hinted(text: str, error: Finding) -> Iterator[str]:
    """Yield ``text`` with what the compiler's message asks for."""
    yield from _compared(text, error)
    yield from _made_async(text, error)
    if found := _NO_BLOCK.search(error.message):
        yield from _with_pass(text, int(found[1]), error)
    at = offset(text, error.line, error.column)
    if error.message.endswith("was never closed") and "\n" not in text[at:].strip():  # the text breaks off
        still = _open_at_end(text)
        mended = text.rstrip().removesuffix("\\") + "".join(_CLOSES[bracket] for bracket in reversed(still)) + "\n"
        if len(still) > 1 and compile_error(mended) is None:
            yield mended


def _compared(text: str, error: Finding) -> Iterator[str]:
    """``if f(x) = 1``: the compiler says that ``==`` was meant, and names where the comparison begins."""
    line, at = offset(text, error.line, 1), offset(text, error.line, error.column)
    end = text.find("\n", at)
    found = _ASSIGNED.search(text, at, len(text) if end < 0 else end)
    if "'=='" in error.message and found and _CONDITION.match(text, line):
        yield text[: found.start()] + "==" + text[found.end() :]


def _made_async(text: str, error: Finding) -> Iterator[str]:
    """``await`` in a plain function: make it ``async``."""
    if "outside async" not in error.message and "outside of an async" not in error.message:
        return
    at = offset(text, error.line, error.column)
    here = text[offset(text, error.line, 1) : at]
    width = len(here) - len(here.lstrip(" \t"))
    for found in reversed(list(re.finditer(r"^([ \t]*)def\b", text[:at], re.M))):
        if len(found[1]) < width:
            yield text[: found.end(1)] + "async " + text[found.end(1) :]
            return


def _with_pass(text: str, header: int, error: Finding) -> Iterator[str]:
    """Give a block a body, unless what follows may be it, not indented."""
    lines = text.split("\n")
    follows = lines[error.line - 1] if header < error.line <= len(lines) else ""
    head = lines[header - 1]
    margin = head[: len(head) - len(head.lstrip())]
    skipped = lines[header : error.line - 1]
    between = any(not line.strip() or line.lstrip().startswith("#") for line in skipped)
    noted = any(line.lstrip().startswith("#") and len(line) - len(line.lstrip()) > len(margin) for line in skipped)
    ends = noted or not follows.strip() or _CLAUSE.match(follows)
    if not (ends or (_DEFINITION.match(follows) and _DEFINITION.match(head) and between)):
        return
    last = max((n for n in range(header, len(lines) + 1) if n < error.line and lines[n - 1].strip()), default=header)
    yield "\n".join([*lines[:last], margin + _unit(lines) + "pass", *lines[last:]])


def _unit(lines: list[str]) -> str:
    """What a text is indented by."""
    margins = [line[: len(line) - len(line.lstrip())] for line in lines if line.strip()]
    return min((margin for margin in margins if margin), key=len, default="    ")


def _open_at_end(code: str) -> list[str]:
    """The brackets that stay open at the end."""
    still: list[str] = []
    for piece, outside in bare(code):
        if outside and piece.text in _CLOSES:
            still.append(piece.text)
        elif outside and piece.text in _CLOSES.values() and still:
            still.pop()
    return still
