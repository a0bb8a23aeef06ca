"""Repair without a model: one small edit near the place the parser names, while the first error moves down.

It is the peer that the discriminator must beat, and what `gatllm fix` falls back on.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import islice

from gatllm.review.critics import Finding, compile_error, syntax_error
from gatllm.review.edits import Change, rewrite
from gatllm.review.region import Region, offset, region
from gatllm.tokenizers.lexer import KEYWORDS, Piece, pieces

_CLOSE = {"(": ")", "[": "]", "{": "}"}
_INSERTS = (
    ":",
    ")",
    "(",
    ",",
    "]",
    "[",
    "}",
    "{",
    '"',
    "'",
    "=",
    ".",
    " in ",
    "]]",
    "))",
    " = ",
    '"""',
    "'''",
    " as ",
    " import ",
    "*",
)
_REPLACEMENTS = (
    ")",
    "(",
    "]",
    "[",
    "}",
    "{",
    ":",
    ",",
    ".",
    "=",
    "==",
    '"',
    "'",
    "in",
    "as",
    "and",
    "not",
    "is",
    "if",
    "for",
)
_OPENS = ("(", "[", "{", '"', "'")
_UNCLOSED = re.compile("never closed|unterminated|unexpected EOF")
_TRIES = 600
_ROUNDS = 8


def search(text: str, *, tries: int = _TRIES, rounds: int = _ROUNDS, seconds: float = 5.0) -> str | None:
    """Return a text that compiles, a few small edits away; None where none was found.

    Args:
        text: what does not compile (what does is returned unchanged).
        tries: candidates judged at most for each error.
        rounds: edits at most.
        seconds: give up after this long.
    """
    until = time.monotonic() + seconds
    for _ in range(rounds):
        error = compile_error(text)
        if error is None:
            return text
        better = _improve(text, error, tries, until)
        if better is None:
            return None
        text = better
    return text if compile_error(text) is None else None


def _improve(text: str, error: Finding, tries: int, until: float) -> str | None:
    """The first candidate whose part compiles, else the one that moves the error furthest down."""
    part = region(text, error)
    inside = text[part.start : part.end]
    before = syntax_error(inside)
    if before is None:  # it parses alone, so what is wrong is around it: judge the whole text
        part, inside, before = Region(0, len(text)), text, error
    furthest, best = before.line, None
    for change in islice(candidates(inside, before), tries):
        if time.monotonic() > until:
            break
        tried = rewrite(inside, [change])
        after = syntax_error(tried)
        if after is None:
            whole = text[: part.start] + tried + text[part.end :]
            remaining = compile_error(whole)
            if remaining is None or (remaining.line, remaining.column) > (error.line + inside.count("\n"), 0):
                return whole
            after = Finding(10**9, 1, "", "", "")
        opens = any(mark in change.text for mark in _OPENS)  # it may hide the error in a bracket or string of its own
        if after.line > furthest and not (opens and _UNCLOSED.search(after.message)):
            furthest, best = after.line, tried
    return None if best is None else text[: part.start] + best + text[part.end :]


def candidates(text: str, error: Finding) -> Iterator[Change]:
    """Yield single edits, likely ones first: what the parser's words suggest, then everything near the place."""
    at = offset(text, error.line, error.column)
    tokens = [piece for piece in pieces(text) if piece.kind != "space"]
    here = max((number for number, piece in enumerate(tokens) if piece.start <= at), default=0)
    seen: set[Change] = set()
    for change in (*_suggested(text, error, tokens, here), *_indents(text, error), *_nearby(tokens, here)):
        if change not in seen:
            seen.add(change)
            yield change


def _suggested(  # noqa: PLR0912
    text: str, error: Finding, tokens: list[Piece], here: int
) -> Iterator[Change]:
    message = error.message
    line_end = offset(text, error.line, 10**6)
    code_end = max(
        (token.end for token in tokens if token.end <= line_end and token.kind not in ("comment", "line")), default=0
    )
    if "expected ':'" in message:
        yield Change(code_end, code_end, ":")
    if "never closed" in message:
        closing = _CLOSE.get(message[1:2], ")")
        line = 0
        for piece in tokens[here + 1 :]:
            if piece.kind == "line":
                yield Change(piece.start, piece.start, closing)
                line += 1
                if line > 3:
                    break
        for piece in tokens[here + 1 : here + 24][::-1]:
            yield Change(piece.end, piece.end, closing)
        yield Change(tokens[here].start, tokens[here].end, "")
    if "unmatched" in message or "does not match" in message:
        if "does not match" in message:
            opening = message.rsplit("'", 2)[1] if "'" in message else "("
            yield Change(tokens[here].start, tokens[here].end, _CLOSE.get(opening, ")"))
        yield Change(tokens[here].start, tokens[here].end, "")
    if "unterminated" in message:
        quote = tokens[here].text if tokens[here].kind == "quote" else '"'
        for piece in tokens[here + 1 : here + 24]:
            yield Change(piece.start, piece.start, quote)
        for piece in tokens[max(here - 16, 0) : here][::-1]:
            yield Change(piece.start, piece.start, quote)
        yield Change(tokens[here].start, tokens[here].end, "")
    for piece in tokens[max(here - 3, 0) : here + 2]:
        if piece.kind == "name" and piece.text not in KEYWORDS:
            for word in get_close_matches(piece.text, sorted(KEYWORDS), n=2, cutoff=0.7):
                yield Change(piece.start, piece.end, word)


def _indents(text: str, error: Finding) -> Iterator[Change]:
    """Re-indent the line of the error, or the one before it, to each indentation found around."""
    if (
        error.code not in ("IndentationError", "TabError")
        and "outside" not in error.message
        and error.message != "invalid syntax"
    ):
        return
    lines = text.split("\n")
    widths = {
        line[: len(line) - len(line.lstrip())]
        for line in lines[max(error.line - 6, 0) : error.line + 4]
        if line.strip()
    }
    widths |= {width + "    " for width in widths}
    for number in (error.line, error.line - 1):
        if 1 <= number <= len(lines) and lines[number - 1].strip():
            start = offset(text, number, 1)
            old = len(lines[number - 1]) - len(lines[number - 1].lstrip())
            for width in sorted(widths, key=lambda w: (abs(len(w) - old), w)):
                if len(width) != old:
                    yield Change(start, start + old, width)


def _nearby(tokens: list[Piece], here: int) -> Iterator[Change]:
    """Delete, insert after and replace each token near the place, nearest first."""
    near = sorted(range(max(here - 8, 0), min(here + 4, len(tokens))), key=lambda number: abs(number - here + 0.5))
    for number in near:
        yield Change(tokens[number].start, tokens[number].end, " " if tokens[number].kind == "line" else "")
    for text in _INSERTS:
        for number in near[:8]:
            yield Change(tokens[number].start, tokens[number].start, text)
    for number in near[:6]:
        if tokens[number].kind != "line":
            for text in _REPLACEMENTS:
                if text != tokens[number].text:
                    yield Change(tokens[number].start, tokens[number].end, text)
