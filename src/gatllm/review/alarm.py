"""When a text counts as fake: a calibrated probability, and the threshold that keeps false alarms rare."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from gatllm.errors import GatllmError
from gatllm.review.calibration import Calibration
from gatllm.review.measures import reliability

FILE_NAME = "calibration.json"
FALSE_ALARMS = 0.005  # fraction of real texts at most above the threshold, on the texts it was fitted to
_RIDGE = 1e-3  # keeps the fit finite where a feature separates the few texts; too small to move it elsewhere


@dataclass(frozen=True)
class Alarm:
    """The probability of being fake, at even odds beforehand, and from which on there is an alarm.

    ``reliability`` tells how well the probability holds: (mean stated, fraction that were fake, how many) by bins, of
    texts that the half of the fit which judged them had not seen.
    """

    calibration: Calibration
    threshold: float
    reliability: tuple[tuple[float, float, int], ...] = ()

    @classmethod
    def fit(cls, real: Sequence[Sequence[float]], fake: Sequence[Sequence[float]], ridge: float = _RIDGE) -> Self:
        """Fit to the features of real and of fake texts; both sides weigh the same.

        The threshold is the quantile of the real texts' probabilities that leaves `FALSE_ALARMS` of them above, or 1/2
        where that is higher.
        """
        fitted = _fit(real, fake, ridge)
        values = sorted(fitted.probability(features) for features in real)
        at = min(math.ceil(len(values) * (1 - FALSE_ALARMS)), len(values) - 1)
        threshold = math.nextafter(values[at], 1.0) if values else 0.5
        return cls(fitted, max(threshold, 0.5), _crossed(real, fake, ridge))

    @classmethod
    def never(cls, count: int) -> Self:
        """Return the alarm of ``count`` features that nothing could be fitted to: it says one half of everything."""
        return cls(Calibration((0.0,) * count, 0.0), 1.0)

    def probability(self, features: Sequence[float]) -> float:
        """Return the probability of being fake."""
        return self.calibration.probability(features)

    def to_json(self) -> str:
        """Return the content of ``calibration.json``."""
        value = {
            "weights": self.calibration.weights,
            "bias": self.calibration.bias,
            "threshold": self.threshold,
            "reliability": self.reliability,
        }
        return json.dumps(value, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            GatllmError: it is something else.
        """
        try:
            value = json.loads(text)
            weights = tuple(float(weight) for weight in value["weights"])
            bins = tuple((float(p), float(fraction), int(n)) for p, fraction, n in value.get("reliability", ()))
            return cls(Calibration(weights, float(value["bias"])), float(value["threshold"]), bins)
        except (ValueError, KeyError, TypeError):
            raise GatllmError(f"{FILE_NAME} is damaged", "restore it or train again") from None


def _fit(real: Sequence[Sequence[float]], fake: Sequence[Sequence[float]], ridge: float) -> Calibration:
    return Calibration.fit([*real, *fake], [False] * len(real) + [True] * len(fake), ridge=ridge)


def _crossed(
    real: Sequence[Sequence[float]], fake: Sequence[Sequence[float]], ridge: float
) -> tuple[tuple[float, float, int], ...]:
    """Reliability when each half is judged by what was fitted to the other."""
    if min(len(real), len(fake)) < 4:
        return ()
    stated: list[float] = []
    labels: list[bool] = []
    for half in (0, 1):
        fitted = _fit(real[1 - half :: 2], fake[1 - half :: 2], ridge)
        for label, side in ((False, real[half::2]), (True, fake[half::2])):
            stated += [fitted.probability(features) for features in side]
            labels += [label] * len(side)
    return tuple(reliability(stated, labels))
