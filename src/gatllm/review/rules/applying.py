"""Apply the rules at the place where the compiler stops, as long as that brings it further."""

from __future__ import annotations

import math
import re
from itertools import islice

from gatllm.review.critics import Finding
from gatllm.review.effort import Effort
from gatllm.review.ends import equal_tail
from gatllm.review.gate import Step
from gatllm.review.region import offset
from gatllm.review.rules.table import RULES, repairs

_TRIED = 40  # ways at most for one error
_TOKENIZER = re.compile("unmatched|does not match|unterminated|never closed")


def apply_rules(text: str, error: Finding | None, effort: Effort) -> tuple[str, Finding | None, tuple[Step, ...]]:
    """Return ``text`` after `apply_rule` as often as it helps, what the compiler says then, and the steps.

    Raises:
        OutOfTimeError: the clock of ``effort`` ran out.
    """
    steps: list[Step] = []
    while error is not None and not effort.is_spent and (done := apply_rule(text, error, effort)) is not None:
        steps.append(done[0])
        text, error = done[0].after, done[1]
    return text, error, tuple(steps)


def apply_rule(text: str, error: Finding, effort: Effort) -> tuple[Step, Finding | None] | None:
    """Return what a rule does about the mistake at the error, and what the compiler says then.

    None where there is none, or the compiler gets no further with it.
    """
    whole = [
        (Step(text, new, rule.name), effort.compile_error(new))
        for rule in RULES
        if rule.whole
        for new in rule.rewrite(text, error)
    ]
    best = max(whole, key=lambda pair: math.inf if pair[1] is None else pair[1].line, default=None)
    if best is not None and (best[1] is None or best[1].line > error.line):  # lines stay lines
        return best
    for rule, new in islice(repairs(text, error), _TRIED):
        after = effort.compile_error(new) if new != text else error
        if after is None or _further(text, error, new, after):
            return Step(text, new, rule.name), after
    return None


def _further(text: str, error: Finding, new: str, after: Finding) -> bool:
    """Tell whether the compiler now stops behind the change, and behind where it stopped before.

    On the same line it must not be the tokenizer that complains: then the change cut a string or a bracket in two.
    Where it complained before and is content now, the parser has begun to read.
    """
    if _TOKENIZER.search(error.message) and not _TOKENIZER.search(after.message):
        return True
    same = equal_tail(text, new)
    at = offset(new, after.line, after.column)
    if len(new) - at > same or len(new) - at >= len(text) - offset(text, error.line, error.column):
        return False
    return "\n" in new[len(new) - same : at] or not _TOKENIZER.search(after.message)
