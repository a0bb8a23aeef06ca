"""What a repair may cost, counted in work: the same text gets the same answer, however busy the machine is."""

from __future__ import annotations

import time
from collections.abc import Sequence

from gatllm.review.critics import Finding, compile_error, syntax_error
from gatllm.review.reading import skeleton
from gatllm.review.tagger import Scores, Tagger, Window

# Units of work: a character that the compiler reads, about a quarter of a microsecond on a core of 2023.
FOR_RULES = 10_000_000
FOR_SEARCH = 6_000_000
FOR_MODEL = 4_000_000
FOR_TIDYING = 2_000_000  # giving back what need not have changed
_ONE_MORE = 100  # a text of any length costs as much as so many characters more
_TREE = 3  # comparing trees costs so many times what parsing does
_TOKEN = 600  # a token that the discriminator reads costs as much as so many characters

PATIENCE = 30.0  # seconds; ten times what the work above takes, so that only hostile texts and stuck machines get there


class OutOfTimeError(Exception):
    """The clock ran out before the work did: whatever was found so far may not be the answer."""


class Effort:
    """An allowance of work, and the only place that counts it.

    What has used its work up (`is_spent`) stops with the best that it has, which is the same everywhere. The clock is
    no part of that: it is there so that nobody waits for ever, and who runs into it is told so.

    Args:
        work: units that may be spent.
        until: when to give up (`time.monotonic`).
    """

    def __init__(self, work: int, until: float) -> None:
        self._left = work
        self._until = until

    @classmethod
    def of(cls, work: int = FOR_RULES, seconds: float = PATIENCE) -> Effort:
        """Return an allowance whose clock starts now."""
        return cls(work, time.monotonic() + seconds)

    def apart(self, work: int) -> Effort:
        """Return another allowance under the same clock."""
        return Effort(work, self._until)

    @property
    def is_spent(self) -> bool:
        """Whether all work is used up."""
        return self._left <= 0

    def compile_error(self, text: str) -> Finding | None:
        """Return the compiler's first complaint (`critics.compile_error`).

        Raises:
            OutOfTimeError: the clock ran out.
        """
        self._spend(len(text) + _ONE_MORE)
        return compile_error(text)

    def syntax_error(self, text: str) -> Finding | None:
        """Return the parser's first complaint (`critics.syntax_error`).

        Raises:
            OutOfTimeError: the clock ran out.
        """
        self._spend(len(text) + _ONE_MORE)
        return syntax_error(text)

    def skeleton(self, text: str) -> tuple[object, ...] | None:
        """Return the tree of a text without its strings (`reading.skeleton`).

        Raises:
            OutOfTimeError: the clock ran out.
        """
        self._spend(_TREE * len(text) + _ONE_MORE)
        return skeleton(text)

    def score(self, tagger: Tagger, windows: Sequence[Window]) -> list[Scores]:
        """Return what the discriminator says of windows (`Tagger.score`).

        Raises:
            OutOfTimeError: the clock ran out.
        """
        self._spend(_TOKEN * sum(len(window.tokens) for window in windows))
        return tagger.score(windows)

    def _spend(self, units: int) -> None:
        if time.monotonic() > self._until:
            raise OutOfTimeError
        self._left -= units
