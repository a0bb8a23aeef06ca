"""Curricula: shares of the levels at each step, and datasets that follow them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.data import Curriculum, Options, build, build_negative
from gatllm.errors import UsageError


@given(st.floats(0, 1))
def test_shares_add_up_and_are_never_negative(progress: float) -> None:
    for curriculum in (Curriculum.growing(), Curriculum.constant([2, 3])):
        mixture = curriculum.mixture(progress)
        assert sum(mixture) == pytest.approx(1)
        assert min(mixture) >= 0


def test_it_grows_from_single_slips_to_several_errors() -> None:
    growing = Curriculum.growing()
    assert growing.mixture(0) == [1, 0, 0, 0, 0]
    averages = [sum(level * share for level, share in enumerate(growing.mixture(p / 10), 1)) for p in range(11)]
    assert averages == sorted(averages)
    assert averages[-1] > 3


def test_points_are_met_and_between_them_is_between() -> None:
    curriculum = Curriculum(((0.2, (1, 0, 0, 0, 0)), (0.6, (0, 0, 0, 0, 4))))
    assert curriculum.mixture(0) == [1, 0, 0, 0, 0]
    assert curriculum.mixture(0.4) == pytest.approx([0.5, 0, 0, 0, 0.5])
    assert curriculum.mixture(1) == [0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    "points",
    [
        (),
        ((0.5, (1, 1, 1, 1, 1)), (0.1, (1, 1, 1, 1, 1))),
        ((0, (1, 1)),),
        ((0, (0, 0, 0, 0, 0)),),
        ((0, (1, 1, 1, 1, -1)),),
    ],
)
def test_impossible_curricula_are_refused(points: tuple[tuple[float, tuple[float, ...]], ...]) -> None:
    with pytest.raises(UsageError):
        Curriculum(points)


def test_unknown_levels_are_refused() -> None:
    for levels in ([], [0], [6]):
        with pytest.raises(UsageError):
            Curriculum.constant(levels)


def test_a_dataset_follows_its_curriculum_whatever_the_number_of_processes(tmp_path: Path) -> None:
    root = tmp_path / "code"
    root.mkdir()
    for number in range(30):
        body = "\n".join(f"    value_{number}_{i} = compute(first, second[{i}], {number})" for i in range(9))
        (root / f"m{number:02d}.py").write_text(
            f"def work_{number}(first, second, compute):\n{body}\n    return first\n"
        )
    positive = build(root, tmp_path / "positive", options=Options(rules={"F841": "off"}, near=0))
    steps = Curriculum(((0.0, (1, 0, 0, 0, 0)), (1.0, (0, 0, 1, 0, 0))))
    made = [build_negative(positive, tmp_path / f"n{count}", level=steps, processes=count, seed=1) for count in (1, 2)]
    assert made[0].manifest.merkle_root == made[1].manifest.merkle_root
    levels = [record["level"] for record in made[0].records()]
    assert set(levels) == {1, 3}
    assert sum(levels[:10]) < sum(levels[-10:])
