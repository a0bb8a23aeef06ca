"""From features to a probability that means what it says: logistic regression, without any package but numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True)
class Calibration:
    """Logistic regression (Platt 1999). ``features`` names what the weights belong to, where that has names."""

    weights: tuple[float, ...]
    bias: float
    features: tuple[str, ...] = ()

    @classmethod
    def fit(
        cls,
        rows: Sequence[Sequence[float]],
        labels: Sequence[bool],
        *,
        features: Sequence[str] = (),
        ridge: float,
        balanced: bool = True,
        standardised: bool = False,
    ) -> Self:
        """Fit to ``rows`` (rows, features) by Newton's method: the least mean loss plus half the ridge of the weights.

        ``balanced``: both labels weigh the same, however many there are of each; otherwise the probabilities are those
        of examples like the given ones. ``standardised``: the ridge acts on features of mean 0 and deviation 1.
        """
        x, y = np.asarray(rows, np.float64), np.asarray(labels, np.float64)
        mean, scale = np.zeros(x.shape[1]), np.ones(x.shape[1])
        if standardised:
            mean, deviation = x.mean(0), x.std(0)
            scale = np.where(deviation > 0, deviation, 1.0)
        x = np.hstack([(x - mean) / scale, np.ones((len(x), 1))])
        weight = np.full(len(y), 1 / len(y))
        if balanced:
            weight = np.where(y == 1, 0.5 / max(y.sum(), 1), 0.5 / max((1 - y).sum(), 1))
        w = np.zeros(x.shape[1])
        # The bias goes free; the tiny ridge keeps the system solvable where all probabilities are 0 or 1.
        penalty = np.diag([ridge] * (x.shape[1] - 1) + [1e-9])
        for _ in range(60):
            p = 1 / (1 + np.exp(-np.clip(x @ w, -60, 60)))
            slope = x.T @ (weight * (p - y)) + penalty @ w
            curve = (x * (weight * p * (1 - p))[:, None]).T @ x + penalty
            step = np.linalg.solve(curve, slope)
            w -= np.clip(step, -2, 2)  # far from the optimum Newton's step overshoots
            if np.abs(step).max() < 1e-8:
                break
        weights = w[:-1] / scale
        return cls(tuple(map(float, weights)), float(w[-1] - weights @ mean), tuple(features))

    def probability(self, row: Sequence[float]) -> float:
        """Return the probability of yes."""
        value = self.bias + sum(w * x for w, x in zip(self.weights, row, strict=True))
        return 1 / (1 + math.exp(-min(max(value, -60.0), 60.0)))
