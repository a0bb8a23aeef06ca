"""Calibration: probabilities that mean what they say, a threshold that keeps its promise, a file that comes back."""

import math
import random

import pytest

from gatllm.errors import GatllmError
from gatllm.review.calibration import FALSE_ALARMS, Calibration, fit
from gatllm.review.measures import expected_calibration_error


def test_a_known_model_is_found_again() -> None:
    rng = random.Random(1)
    points = [(rng.gauss(0, 1), rng.gauss(0, 1)) for _ in range(20_000)]
    labels = [rng.random() < 1 / (1 + math.exp(-(2 * x - y))) for x, y in points]
    real = [p for p, flag in zip(points, labels, strict=True) if not flag]
    fake = [p for p, flag in zip(points, labels, strict=True) if flag]
    made = fit(real, fake, ridge=1e-6)
    assert made.weights == pytest.approx((2, -1), abs=0.1)
    assert expected_calibration_error([made.probability(p) for p in points], labels) < 0.02
    alarms = sum(made.probability(p) >= made.threshold for p in real) / len(real)
    assert alarms <= FALSE_ALARMS


def test_sides_that_can_be_told_apart_perfectly_do_not_overflow() -> None:
    made = fit([(-1.0,)] * 10, [(1.0,)] * 10)
    assert made.probability((1.0,)) > 0.9 > 0.1 > made.probability((-1.0,))
    assert made.probability((1e9,)) <= 1.0


def test_it_comes_back_from_its_file() -> None:
    made = Calibration((0.5, -2.0), 0.25, 0.75)
    assert Calibration.from_json(made.to_json()) == made
    for text in ("", "[]", '{"weights": 1}'):
        with pytest.raises(GatllmError):
            Calibration.from_json(text)
