"""Rewards that compare an answer's words: the same as the reference, containing it, or of a wanted form."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gatllm.errors import UsageError
from gatllm.training.rewards.reward import Asked, Judged, Reward
from gatllm.training.scoring import exact as is_exact


def exact(asked: Sequence[Asked], answers: Sequence[str]) -> list[Judged]:
    """Reward the reference itself, white space at both ends aside."""
    return [
        Judged(1.0, "as the reference") if is_exact(answer, one.reference) else Judged(0.0, "not the reference")
        for one, answer in zip(asked, answers, strict=True)
    ]


def contains(asked: Sequence[Asked], answers: Sequence[str]) -> list[Judged]:
    """Reward an answer that has the reference in it, word for word and without case, and is at most twice as long.

    Without the bound an answer that lists everything would be right.
    """
    found = []
    for one, answer in zip(asked, answers, strict=True):
        wanted = one.reference.strip().casefold()
        there = re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", answer.casefold()) is not None
        short = len(answer.strip()) <= max(2 * len(wanted), len(wanted) + 40)
        why = "has the reference" if there and short else "too long" if there else "lacks the reference"
        found.append(Judged(float(there and short), why))
    return found


def of_form(pattern: str) -> Reward:
    """Return a reward for answers that match a regular expression as a whole.

    Raises:
        UsageError: it is not a regular expression.
    """
    try:
        compiled = re.compile(pattern, re.DOTALL)
    except re.error as error:
        raise UsageError(f"{pattern!r} is not a regular expression: {error}", "format:PATTERN") from None

    def form(_: Sequence[Asked], answers: Sequence[str]) -> list[Judged]:
        fits = [compiled.fullmatch(answer.strip()) is not None for answer in answers]
        return [Judged(float(good), "of the form" if good else "not of the form") for good in fits]

    return form
