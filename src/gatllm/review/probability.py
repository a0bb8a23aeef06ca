"""How likely a repair is what was meant, not merely something that parses: a multinomial logit over `traits`.

The choices are the repairs that were found and "none of them". Fitted by `benchmarks/review_probability.py` on errors
made in packages that the discriminator was not trained on.
Two sets of weights: one for where the discriminator was asked, one for where only search and rules were.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gatllm.review.critics import Finding
from gatllm.review.traits import NAMES, Found, traits

FITTED = Path(__file__).with_name("probability.json")


@dataclass(frozen=True, slots=True)
class Intention:
    """The fitted weights. ``threshold``: what is less likely is suggested, not written.

    ``clear``: where search or rules alone are as sure as this, the discriminator has nothing to add.
    """

    asked: tuple[float, ...]
    unasked: tuple[float, ...]
    threshold: float
    clear: float

    def of(self, before: str, error: Finding, found: Sequence[Found], *, asked: bool) -> list[float]:
        """Return the probability of each repair in ``found``; at most one of them can be meant, so they sum up to 1.

        Args:
            before: the broken text.
            error: what the compiler says of it.
            found: all repairs that were found, no two with the same tree.
            asked: whether the discriminator was.
        """
        weights = self.asked if asked else self.unasked
        odds = [_odds(weights, traits(before, error, found, which)) for which in range(len(found))]
        every = 1 + sum(odds)  # 1: that it is none of them
        return [value / every for value in odds]


def _odds(weights: Sequence[float], features: Sequence[float]) -> float:
    """Against "none of them"."""
    logit = weights[0] + sum(weight * value for weight, value in zip(weights[1:], features, strict=True))
    return math.exp(min(max(logit, -30.0), 30.0))


@lru_cache(maxsize=1)
def load_intention() -> Intention:
    """Return the weights that ship."""
    fitted = json.loads(FITTED.read_text(encoding="utf-8"))
    asked, unasked = (_row(fitted[name]) for name in ("asked", "unasked"))
    return Intention(asked, unasked, fitted["threshold"], fitted["clear"])


def _row(weights: dict[str, float]) -> tuple[float, ...]:
    return (weights["bias"], *(weights[name] for name in NAMES))
