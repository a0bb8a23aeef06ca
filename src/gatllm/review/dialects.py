"""What Python 2 and other languages write differently, put into Python's words in the line that the compiler names.

Nothing here is guessed: each form means one thing where it comes from, and is none of Python's where the compiler
stops at it. (Whole old files are for `2to3` and its heirs, which need a file without any other error.)
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

from gatllm.review.critics import Finding, compile_error
from gatllm.review.pastes import cleaned
from gatllm.review.region import offset
from gatllm.tokenizers.lexer import Piece, pieces

_Rewrite = Callable[["re.Match[str]", str], str | None]  # the match in its line, what follows the line → the statement
_LONGEST = 1000  # characters of a line that is looked at
_MOST = 40  # lines that one statement goes on for, at most
_INNER_QUOTES = r"""(?<=[=(,\[{ ])"(?P<a>[^"'\n]+)"(?P<b>\w(?:[^"'\n]*\w)?)"(?P<c>[^"'\n]*)"(?=\s*(?:[,)\]}:]|$))"""
_ASSIGNED = re.compile(r"(?<![=!<>:+\-*/%&|^@])=(?!=)")
_NO_BLOCK = re.compile(r"expected an indented block after .* on line (\d+)")
_BLOCK_OF_ITS_OWN = re.compile(r"\s*(?:@|async\s+def\b|def\b|class\b|elif\b|else\b|except\b|finally\b)")
_CLOSES = {"(": ")", "[": "]", "{": "}"}
_BLOCK = r"\s*(?:if|elif|else|for|while|try|except|finally|with|def|class)\b"


def translate_all(text: str, error: Finding | None, until: float) -> tuple[str, Finding | None, int]:
    """Return ``text`` after `translate` as often as it helps, what the compiler says then, and how often that was.

    ``until`` is when to stop (`time.monotonic`).
    """
    times = 0
    while error is not None and time.monotonic() < until and (done := translate(text, error)) is not None:
        text, error = done
        times += 1
    return text, error, times


def translate(text: str, error: Finding) -> tuple[str, Finding | None] | None:
    """Return ``text`` with the form at the error put into Python, and what the compiler says now.

    None where there is none, or the compiler gets no further with it.
    """
    left = len(text) - offset(text, error.line, error.column)
    for new in _translations(text, error):
        after = compile_error(new) if new != text else error
        if after is None or len(new) - offset(new, after.line, after.column) < left:
            return new, after
    return None


def _translations(text: str, error: Finding) -> Iterator[str]:
    """Yield ``text`` with one form in the line of the error, or the one before, as Python has it."""
    yield from _hinted(text, error)
    for line in (error.line, error.line - 1):
        if line < 1:
            continue
        start = offset(text, line, 1)
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        if end - start > _LONGEST:
            continue
        yield from cleaned(text, start, end)
        for pattern, rewrite in _RULES:
            found = pattern.search(text[start:end])
            new = rewrite(found, text[end:]) if found else None
            if found and new is not None:
                yield text[: start + found.start()] + new


def _hinted(text: str, error: Finding) -> Iterator[str]:
    """Do what the compiler's own words suggest."""
    at = offset(text, error.line, error.column)
    if "'=='" in error.message:  # it names where the comparison begins
        if found := _ASSIGNED.search(text, at, len(text) if (end := text.find("\n", at)) < 0 else end):
            yield text[: found.start()] + "==" + text[found.end() :]
    elif "outside async" in error.message or "outside of an async" in error.message:
        yield from _made_async(text, error)
    elif found := _NO_BLOCK.search(error.message):
        yield from _with_pass(text, int(found[1]), error)
    elif error.message.endswith("was never closed") and "\n" not in text[at:].strip():
        still = _open_at_end(text)
        if len(still) > 1:  # the text breaks off
            yield text.rstrip() + "".join(_CLOSES[bracket] for bracket in reversed(still)) + "\n"


def _with_pass(text: str, header: int, error: Finding) -> Iterator[str]:
    """Give a block without a body one, unless what follows may be it, not indented."""
    lines = text.split("\n")
    follows = lines[error.line - 1] if error.line <= len(lines) else ""
    width = len(lines[header - 1]) - len(lines[header - 1].lstrip())
    last = max((n for n in range(header, error.line) if lines[n - 1].strip()), default=header)
    ends = not follows.strip() or len(follows) - len(follows.lstrip()) < width or _BLOCK_OF_ITS_OWN.match(follows)
    if ends or last < error.line - 1:
        yield "\n".join([*lines[:last], " " * (width + 4) + "pass", *lines[last:]])


def _open_at_end(code: str) -> list[str]:
    """The brackets that stay open at the end; none where a string does."""
    still: list[str] = []
    inside = ""
    for piece in pieces(code):
        if piece.kind == "quote":
            inside = "" if piece.text == inside else inside or piece.text
        elif piece.kind == "line" and len(inside) == 1:
            inside = ""
        elif not inside and piece.text in _CLOSES:
            still.append(piece.text)
        elif not inside and piece.text in (")", "]", "}") and still:
            still.pop()
    return [] if inside else still


def _made_async(text: str, error: Finding) -> Iterator[str]:
    at = offset(text, error.line, 1)
    width = len(text[at:]) - len(text[at:].lstrip(" \t"))
    for found in reversed(list(re.finditer(r"^([ \t]*)def\b", text[:at], re.M))):
        if len(found[1]) < width:
            yield text[: found.end(1)] + "async " + text[found.end(1) :]
            return


def _statement(rest: str) -> tuple[list[Piece], str]:
    """The pieces of the statement that ``rest`` begins with, and what follows it: a comment, a semicolon, a line."""
    depth, inside, out = 0, "", []
    for piece in pieces("\n".join(rest.split("\n", _MOST)[:_MOST])):
        if piece.kind == "quote":
            inside = "" if piece.text == inside else inside or piece.text
        elif not inside:
            if depth <= 0 and (piece.kind in ("line", "comment") or piece.text == ";"):
                break
            depth += (piece.text in "([{") - (piece.text in ")]}")
        elif piece.kind == "line" and len(inside) == 1:
            break
        out.append(piece)
    return out, rest[out[-1].end if out else 0 :]


def _split(body: list[Piece], mark: str) -> list[str]:
    """The parts of a statement between ``mark`` where no bracket or string is open."""
    depth, inside, parts = 0, "", [""]
    for piece in body:
        if piece.kind == "quote":
            inside = "" if piece.text == inside else inside or piece.text
        elif not inside and depth == 0 and piece.text == mark:
            parts.append("")
            continue
        elif not inside:
            depth += (piece.text in "([{") - (piece.text in ")]}")
        parts[-1] += piece.text
    return [part.strip() for part in parts]


def _called(found: re.Match[str], after: str) -> str | None:
    """``print a, b`` and ``exec code in names``: a call."""
    body, rest = _statement(found.string[found.end() :] + after)
    said = "".join(piece.text for piece in body)
    if not said.strip():
        return None
    head, space = found[0].rstrip(), said[len(said.rstrip()) :]
    if found["word"] == "exec":
        return f"{head}({', '.join(_split(body, 'in'))}){space}{rest}"
    goes_on = ' end=" "' if said.rstrip().endswith(",") else ""
    return f"{head}({said.strip()}{goes_on}){space}{rest}"


def _raised(found: re.Match[str], after: str) -> str | None:
    """``raise E, message, traceback``."""
    body, rest = _statement(found.string[found.end() :] + after)
    parts = _split(body, ",")
    if not 2 <= len(parts) <= 3 or not all(parts):
        return None
    traced = f".with_traceback({parts[2]})" if len(parts) == 3 else ""
    space = body[-1].text if body[-1].kind == "space" else ""
    return f"{found[0]}{parts[0]}({parts[1]}){traced}{space}{rest}"


def _put(template: str) -> _Rewrite:
    def rewrite(found: re.Match[str], after: str) -> str:
        return found.expand(template) + found.string[found.end() :] + after

    return rewrite


_RULES: list[tuple[re.Pattern[str], _Rewrite]] = [
    (re.compile(pattern), rewrite)
    for pattern, rewrite in (
        (r"(?:^|[:;])\s*(?P<word>print|exec)\b\s*+(?![(=.,)\]]|in\b)", _called),
        (r"(?:^|[:;])\s*raise\s+(?=[\w.]+\s*,)", _raised),
        (r"(?P<head>\bexcept\s+(?:[\w.]+|\([^()]*\)))\s*,\s*(?P<name>\w+)\s*:", _put(r"\g<head> as \g<name>:")),
        (r"^(?P<space>\s*)(?:else\s+if|else?s?if|elsif)\b(?!:)", _put(r"\g<space>elif")),
        (r"(?P<name>[\w.\]\[]+)\s*(?P<mark>\+|-)(?P=mark)\s*;?\s*$", _put(r"\g<name> \g<mark>= 1")),
        (r"(?<![=!<>\w'\"])!\s*(?=[\w(])", _put("not ")),
        (r"`(?P<what>[^`]+)`", _put(r"repr(\g<what>)")),
        (r"(?<![\w.])0(?P<digits>[0-7]+)(?![\w.])", _put(r"0o\g<digits>")),
        (r"(?<![\w.])(?P<digits>\d+)[lL](?!\w)", _put(r"\g<digits>")),
        (r"\b[uU](?P<raw>[rR])(?=['\"])", _put(r"\g<raw>")),
        (rf"^(?P<head>{_BLOCK}(?:.*[^\s:])?)\s*+:?\s*+\{{\s*$", _put(r"\g<head>:")),
        (r"^\s*\}\s*;?\s*$", lambda _, after: after[1:]),
        (r"^(?P<space>\s*)(?:function|func|fn|fun)\s+(?=\w+\s*\()", _put(r"\g<space>def ")),
        (r"^(?P<space>\s*)(?:var|let|const)\s+(?=\w+\s*=)", _put(r"\g<space>")),
        (r"^(?P<space>\s*)throw\s+(?:new\s+)?", _put(r"\g<space>raise ")),
        (r"\bnew\s+(?=[A-Za-z_][\w.]*\()", _put("")),
        (r"^(?P<space>\s*)//", _put(r"\g<space>#")),
        (r"^(?P<head>\s*(?:el)?if\b.*?)\s+then\s*+:?\s*$", _put(r"\g<head>:")),
        (r"(?P<head>\blambda\b[^:]*:)\s*return\s+", _put(r"\g<head> ")),
        (r"(?<!\w)'(?P<said>[^'\"]*\w'\w[^'\"]*)'(?!\w)", _put(r'"\g<said>"')),
        (_INNER_QUOTES, _put(r"""'\g<a>"\g<b>"\g<c>'""")),
        (r"(?P<head>\b[fF]\"[^\"]*\{[^\"{}]*)\"(?P<key>[^\"'{}]*)\"(?=[^{}\"]*\})", _put(r"\g<head>'\g<key>'")),
        (r"(?P<head>\b[fF]'[^']*\{[^'{}]*)'(?P<key>[^\"'{}]*)'(?=[^{}']*\})", _put(r'\g<head>"\g<key>"')),
    )
]
