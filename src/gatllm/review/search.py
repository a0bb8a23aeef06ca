"""Repair without a model: one small edit near the place the parser names, while the first error moves down.

It is the peer that the discriminator must beat, and what `gatllm fix` falls back on.
"""

from __future__ import annotations

import math
import re
from itertools import islice

from gatllm.review.critics import Finding
from gatllm.review.edits import rewrite
from gatllm.review.effort import FOR_SEARCH, Effort
from gatllm.review.region import Region, region
from gatllm.review.suggestions import candidates

_OPENS = ("(", "[", "{", '"', "'")
_UNCLOSED = re.compile("never closed|unterminated|unexpected EOF")
# What bounds the work: most errors have fewer candidates, and what needs more rounds is no slip of the hand.
_TRIES = 600  # candidates for one error
_ROUNDS = 8  # errors one after the other
_BEAM = 3  # texts that are worked on side by side: the two likeliest improvements, and the one that gets furthest
_LIKELIEST = _BEAM - 1  # improvements kept of each, besides the one that moves the error furthest


def search(text: str, *, tries: int = _TRIES, rounds: int = _ROUNDS, effort: Effort | None = None) -> str | None:
    """Return a text that compiles, a few small edits away; None where none was found.

    Args:
        text: what does not compile (what does is returned unchanged).
        tries: candidates judged at most for each error.
        rounds: edits at most.
        effort: what it may cost; the usual allowance by default.

    Raises:
        OutOfTimeError: the clock of ``effort`` ran out.
    """
    effort = effort or Effort.of(FOR_SEARCH)
    beam, seen = [text], {text}
    for _ in range(rounds):
        grown: list[str] = []
        for one in beam:
            error = effort.compile_error(one)
            if error is None:
                return one
            grown += [better for better in _improve(one, error, tries, effort) if better not in seen]
            seen.update(grown)
        beam = sorted(grown, key=lambda one: _error_line(effort.compile_error(one)), reverse=True)[:_BEAM]
    return next((one for one in beam if effort.compile_error(one) is None), None)


def _error_line(error: Finding | None) -> float:
    return math.inf if error is None else error.line


def _improve(text: str, error: Finding, tries: int, effort: Effort) -> list[str]:
    """Return the first candidate whose part compiles; else the likeliest that move the error down, and the furthest.

    The edit that moves the error furthest is often one that hides it; the next errors tell which was right.
    """
    part = region(text, error)
    inside = text[part.start : part.end]
    before = effort.syntax_error(inside)
    if before is None:  # it parses alone, so what is wrong is around it: judge the whole text
        part, inside, before = Region(0, len(text)), text, error
    moved: list[tuple[int, str]] = []
    for change in islice(candidates(inside, before), tries):
        if effort.is_spent:
            break
        tried = rewrite(inside, [change])
        whole = text[: part.start] + tried + text[part.end :]
        after = effort.syntax_error(tried)
        if after is None:
            remaining = effort.compile_error(whole)
            if remaining is None or (remaining.line, remaining.column) > (error.line + inside.count("\n"), 0):
                return [whole]
            after = Finding(10**9, 1, "", "", "")
        opens = any(mark in change.text for mark in _OPENS)  # it may hide the error in a bracket or string of its own
        if after.line > before.line and not (opens and _UNCLOSED.search(after.message)):
            moved.append((after.line, whole))
    furthest = [max(moved, key=lambda one: one[0])[1]] if moved else []
    return list(dict.fromkeys([one for _, one in moved[:_LIKELIEST]] + furthest))
