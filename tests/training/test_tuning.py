"""Tuning: searches are read, trials are runs, a study continues, the best recipe is written."""

from pathlib import Path
from typing import Any

import pytest

from gatllm.errors import UsageError
from gatllm.training import Recipe, Run
from gatllm.training.tuning import Dimension, tune

pytest.importorskip("optuna")


def test_searches_are_read() -> None:
    assert Dimension.parse("train.lr=1e-4..1e-2") == Dimension("train.lr", 1e-4, 1e-2)
    assert Dimension.parse("train.batch=8,16") == Dimension("train.batch", choices=(8, 16))
    assert Dimension.parse("train.optimizer=muon,adamw").choices == ("muon", "adamw")
    for wrong in ("train.lr", "train.lr=3", "=1..2", "train.lr=2..1", "train.lr=a..b"):
        with pytest.raises(UsageError, match="not a search"):
            Dimension.parse(wrong)


def test_a_study_finds_the_better_rate_and_continues(tiny: dict[str, Any], tmp_path: Path) -> None:
    recipe = Recipe.of(tiny, {"train.optimizer": "adamw", "train.steps": 12, "train.checkpoints": 1})
    search = ["train.lr=0.00001,0.01"]
    first = tune(recipe, tmp_path, trials=3, search=search)
    assert len(first.trials) == 3
    more = tune(recipe, tmp_path, trials=6, search=search)
    assert [trial["trial"] for trial in more.trials] == list(range(6))
    assert more.trials[:3] == first.trials
    tried = {trial["train.lr"] for trial in more.trials if trial["state"] == "complete"}
    assert tried == {0.00001, 0.01}
    assert more.overrides == {"train.lr": 0.01}
    best = Recipe.load(more.recipe)
    assert best.train.lr == more.overrides["train.lr"]
    whole = next(trial for trial in more.trials if trial["state"] == "complete")
    assert Run.open(tmp_path / "trials" / f"{whole['trial']:04d}").metrics["loss"] == whole["loss"]


def test_an_unknown_key_is_refused_before_anything_is_trained(tiny: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean lr"):
        tune(Recipe.of(tiny), tmp_path / "study", trials=1, search=["train.lrr=0.1..0.2"])
    assert not (tmp_path / "study").exists()
