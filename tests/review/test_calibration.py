"""Calibration: probabilities that mean what they say, a threshold that keeps its promise, a file that comes back."""

import math
import random
from pathlib import Path

import pytest

from gatllm.errors import GatllmError
from gatllm.review.alarm import FALSE_ALARMS, Alarm
from gatllm.review.calibration import Calibration
from gatllm.review.measures import expected_calibration_error
from gatllm.review.reliability import draw_reliability


def test_a_known_model_is_found_again() -> None:
    rng = random.Random(1)
    points = [(rng.gauss(0, 1), rng.gauss(0, 1)) for _ in range(20_000)]
    labels = [rng.random() < 1 / (1 + math.exp(-(2 * x - y))) for x, y in points]
    real = [p for p, flag in zip(points, labels, strict=True) if not flag]
    fake = [p for p, flag in zip(points, labels, strict=True) if flag]
    made = Alarm.fit(real, fake, ridge=1e-7)
    assert made.calibration.weights == pytest.approx((2, -1), abs=0.1)
    assert expected_calibration_error([made.probability(p) for p in points], labels) < 0.02
    alarms = sum(made.probability(p) >= made.threshold for p in real) / len(real)
    assert alarms <= FALSE_ALARMS


def test_sides_that_can_be_told_apart_perfectly_do_not_overflow() -> None:
    made = Alarm.fit([(-1.0,)] * 10, [(1.0,)] * 10)
    assert made.probability((1.0,)) > 0.9 > 0.1 > made.probability((-1.0,))
    assert made.probability((1e9,)) <= 1.0


def test_it_comes_back_from_its_file() -> None:
    made = Alarm(Calibration((0.5, -2.0), 0.25), 0.75, ((0.1, 0.2, 3), (0.9, 1.0, 4)))
    assert Alarm.from_json(made.to_json()) == made
    older = '{"weights": [0.5], "bias": 0.25, "threshold": 0.75}'  # before the bins were kept
    assert Alarm.from_json(older).reliability == ()
    for text in ("", "[]", '{"weights": 1}'):
        with pytest.raises(GatllmError):
            Alarm.from_json(text)


def test_how_far_the_probability_holds_is_told_by_texts_that_were_not_fitted() -> None:
    rng = random.Random(2)
    real, fake = ([(rng.gauss(mean, 1),) for _ in range(2000)] for mean in (-1, 1))
    bins = Alarm.fit(real, fake).reliability
    assert sum(count for *_, count in bins) == 4000
    assert all(abs(stated - observed) < 0.15 for stated, observed, count in bins if count > 50)
    noise = [tuple(rng.gauss(0, 1) for _ in range(12)) for _ in range(24)]
    confident = Alarm.fit(
        noise[:12], noise[12:], ridge=1e-7
    ).reliability  # 12 features for 12 texts: it learns them by heart
    assert sum(abs(stated - observed) * count for stated, observed, count in confident) / 24 > 0.2


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    draw_reliability([(0.1, 0.2, 30), (0.9, 0.85, 10)], tmp_path / "plot.png", "Title")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    draw_reliability([], tmp_path / "empty.png")
