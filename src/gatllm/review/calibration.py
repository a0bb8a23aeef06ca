"""From what the heads say to a probability that means what it says, and the threshold that keeps false alarms rare."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from gatllm.errors import GatllmError
from gatllm.review.measures import reliability

FILE_NAME = "calibration.json"
FALSE_ALARMS = 0.005  # fraction of real texts at most above the threshold, on the texts it was fitted to


@dataclass(frozen=True)
class Calibration:
    """Logistic regression on the features of a text (Platt 1999), and a threshold on its probability.

    ``reliability`` tells how well the probability holds: (mean stated, fraction that were fake, how many) by bins, of
    texts that the half of the fit which judged them had not seen.
    """

    weights: tuple[float, ...]
    bias: float
    threshold: float
    reliability: tuple[tuple[float, float, int], ...] = ()

    def probability(self, features: Sequence[float]) -> float:
        """Probability of being fake, at even odds beforehand."""
        value = self.bias + sum(w * x for w, x in zip(self.weights, features, strict=True))
        return 1 / (1 + math.exp(-min(max(value, -60.0), 60.0)))

    def to_json(self) -> str:
        """The content of ``calibration.json``."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """Read what `to_json` wrote.

        Raises:
            GatllmError: it is something else.
        """
        try:
            value = json.loads(text)
            weights = tuple(float(weight) for weight in value["weights"])
            bins = tuple((float(p), float(fraction), int(n)) for p, fraction, n in value.get("reliability", ()))
            return cls(weights, float(value["bias"]), float(value["threshold"]), bins)
        except (ValueError, KeyError, TypeError):
            raise GatllmError(f"{FILE_NAME} is damaged", "restore it or train again") from None


def fit(real: Sequence[Sequence[float]], fake: Sequence[Sequence[float]], ridge: float = 1e-2) -> Calibration:
    """Fit to the features of real and of fake texts; both sides weigh the same. Newton's method, some ridge.

    The threshold is the quantile of the real texts' probabilities that leaves `FALSE_ALARMS` of them above, or 1/2
    where that is higher.
    """
    fitted = _logistic(real, fake, ridge)
    values = sorted(fitted.probability(features) for features in real)
    at = min(math.ceil(len(values) * (1 - FALSE_ALARMS)), len(values) - 1)
    threshold = math.nextafter(values[at], 1.0) if values else 0.5
    return Calibration(fitted.weights, fitted.bias, max(threshold, 0.5), _crossed(real, fake, ridge))


def _crossed(
    real: Sequence[Sequence[float]], fake: Sequence[Sequence[float]], ridge: float
) -> tuple[tuple[float, float, int], ...]:
    """Reliability when each half is judged by what was fitted to the other."""
    if min(len(real), len(fake)) < 4:
        return ()
    stated: list[float] = []
    labels: list[bool] = []
    for half in (0, 1):
        fitted = _logistic(real[1 - half :: 2], fake[1 - half :: 2], ridge)
        for label, side in ((False, real[half::2]), (True, fake[half::2])):
            stated += [fitted.probability(features) for features in side]
            labels += [label] * len(side)
    return tuple(reliability(stated, labels))


def _logistic(real: Sequence[Sequence[float]], fake: Sequence[Sequence[float]], ridge: float) -> Calibration:
    x = np.array([*real, *fake], dtype=np.float64)
    x = np.hstack([x, np.ones((len(x), 1))])
    y = np.array([0.0] * len(real) + [1.0] * len(fake))
    weight = np.where(y == 1, 0.5 / max(len(fake), 1), 0.5 / max(len(real), 1))
    w = np.zeros(x.shape[1])
    penalty = np.diag([ridge / 10] * (x.shape[1] - 1) + [1e-9])
    for _ in range(60):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -60, 60)))
        slope = x.T @ (weight * (p - y)) + penalty @ w
        curve = (x * (weight * p * (1 - p))[:, None]).T @ x + penalty
        step = np.linalg.solve(curve, slope)
        w -= np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-8:
            break
    return Calibration(tuple(float(value) for value in w[:-1]), float(w[-1]), 0.5)
