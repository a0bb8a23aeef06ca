"""Repair without a model: one small edit near the place the parser names, while the first error moves down.

It is the peer that the discriminator must beat, and what `gatllm fix` falls back on.
"""

from __future__ import annotations

import re
import time
from itertools import islice

from gatllm.review.critics import Finding, compile_error, syntax_error
from gatllm.review.edits import rewrite
from gatllm.review.region import Region, region
from gatllm.review.suggestions import candidates

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
