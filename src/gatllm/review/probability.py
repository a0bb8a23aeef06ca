"""How likely a repair is what was meant, not merely something that parses: a logistic model over `traits`.

Fitted by `benchmarks/review_probability.py` on slips in packages that nothing else was trained, tuned or measured on.
Two sets of weights: one for where the discriminator was asked, one for where only search and rules were. On top of them
a scale, fitted on such slips and on errors that people made and put right themselves: a repair by a rule alone is right
more often than slips tell.
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
    scale: tuple[float, float, float] = (1.0, 0.0, 0.0)  # of the log-odds; for a rule alone; for all

    def of(self, before: str, error: Finding, found: Sequence[Found], *, asked: bool) -> list[float]:
        """Return the probability of each repair in ``found``; at most one of them can be meant, so they sum up to 1.

        Args:
            before: the broken text.
            error: what the compiler says of it.
            found: all repairs that were found, no two with the same tree.
            asked: whether the discriminator was.
        """
        weights = self.asked if asked else self.unasked
        out = [_sigmoid(weights, traits(before, error, found, which)) for which in range(len(found))]
        return _shared([self._scaled(value, one) for value, one in zip(_shared(out), found, strict=True)])

    def _scaled(self, value: float, one: Found) -> float:
        by, rule, bias = self.scale
        value = min(max(value, 1e-6), 1 - 1e-6)
        logit = by * math.log(value / (1 - value)) + rule * (one.by == {"rule"}) + bias
        return 1 / (1 + math.exp(-logit))


def _shared(values: list[float]) -> list[float]:
    """At most one repair is the one that was meant."""
    total = sum(values)
    return [value / total for value in values] if total > 1 else values


def _sigmoid(weights: Sequence[float], features: Sequence[float]) -> float:
    logit = weights[0] + sum(weight * value for weight, value in zip(weights[1:], features, strict=True))
    return 1 / (1 + math.exp(-min(max(logit, -40.0), 40.0)))


@lru_cache(maxsize=1)
def load_intention() -> Intention:
    """Return the weights that ship."""
    fitted = json.loads(FITTED.read_text(encoding="utf-8"))
    asked, unasked = (_row(fitted[name]) for name in ("asked", "unasked"))
    scale = fitted["scale"]
    by, rule, bias = (float(scale[name]) for name in ("log-odds", "rule alone", "bias"))
    return Intention(asked, unasked, fitted["threshold"], fitted["clear"], (by, rule, bias))


def _row(weights: dict[str, float]) -> tuple[float, ...]:
    return (weights["bias"], *(weights[name] for name in NAMES))
