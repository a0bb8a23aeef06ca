"""Risk and coverage of probabilities whose outcomes are known."""

from pathlib import Path

import pytest

from gatllm.answering.risk import Risk, draw_risk


def test_the_surest_answers_come_first() -> None:
    risk = Risk.of([0.2, 0.9, 0.6, 0.8], [False, True, False, True])
    assert risk.curve == (0.0, 0.0, pytest.approx(1 / 3), 0.5)
    assert risk.coverage(0.05) == 0.5
    assert risk.coverage(0.34) == 0.75
    assert risk.quality.auroc == 1.0


def test_where_the_surest_is_wrong_nothing_is_covered_but_a_larger_part_may_be() -> None:
    assert Risk.of([0.9, 0.5], [False, True]).coverage(0.05) == 0.0
    assert Risk.of([0.9, *[0.5] * 19], [False, *[True] * 19]).coverage(0.05) == 1.0


def test_both_curves_are_drawn(tmp_path: Path) -> None:
    draw_risk([0.05, 0.5, 0.55, 1.0], [False, True, False, True], tmp_path / "risk.png")
    assert (tmp_path / "risk.png").read_bytes().startswith(b"\x89PNG")
