"""Recipes: read, overridden, written back; what is wrong is named."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.errors import UsageError
from gatllm.training import Recipe
from gatllm.training.schedule import rate
from gatllm.training.seeds import derive
from gatllm.training.tables import TrainTable

TINY: dict[str, Any] = {
    "name": "tiny",
    "objective": "causal",
    "data": {"source": "text.txt"},
    "model": {"kind": "gpt", "width": 32},
    "train": {"steps": 10},
}


def test_toml_round_trip(tmp_path: Path) -> None:
    recipe = Recipe.of(TINY, {"train.lr": 1e-4, "data.window": "sequential"})
    (tmp_path / "tiny.toml").write_text(recipe.to_toml())
    again = Recipe.load(tmp_path / "tiny.toml")
    assert again == recipe
    assert again.digest() == recipe.digest()
    assert again.replace({"seed": 2}).digest() != recipe.digest()


def test_one_budget_replaces_the_other() -> None:
    recipe = Recipe.of(TINY, {"train.minutes": 0.5})
    assert (recipe.train.steps, recipe.train.minutes) == (None, 0.5)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"train.warmpu": 0.1}, ["train.warmpu", "did you mean warmup"]),
        ({"data.windows": "random"}, ["data.windows", "did you mean window"]),
        ({"tokenizer.knid": "bpe"}, ["tokenizer.knid", "did you mean kind"]),
        ({"sede": 1}, ["sede", "did you mean seed"]),
        ({"objective": "casual"}, ["casual", "causal"]),
        ({"train.lr": -1.0}, ["train.lr", "greater than 0"]),
        ({"train.batch": "many"}, ["train.batch", "'many'"]),
        ({"name.first": 1}, ["name.first", "not a table"]),
    ],
)
def test_what_is_wrong_is_named(overrides: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UsageError) as error:
        Recipe.of(TINY, overrides)
    for word in words:
        assert word in str(error.value)


def test_both_or_no_budget_is_refused() -> None:
    for train in ({}, {"steps": 3, "minutes": 1}):
        with pytest.raises(UsageError, match="budget"):
            Recipe.of({**TINY, "train": train})


def test_missing_file_and_damaged_toml(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no recipe"):
        Recipe.load(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("a = = 1")
    with pytest.raises(UsageError, match="not TOML"):
        Recipe.load(tmp_path / "bad.toml")


@given(
    schedule=st.sampled_from(["linear", "cosine", "wsd", "constant"]),
    warmup=st.floats(0, 0.9),
    decay=st.floats(0, 1),
    floor=st.floats(0, 1),
    progress=st.floats(0, 1),
)
def test_rate_stays_between_0_and_1(schedule: Any, warmup: float, decay: float, floor: float, progress: float) -> None:
    train = TrainTable(steps=1, schedule=schedule, warmup=warmup, decay=decay, floor=floor)
    assert 0.0 <= rate(train, progress) <= 1.0


@pytest.mark.parametrize("schedule", ["linear", "cosine", "wsd"])
def test_rate_peaks_after_warmup_and_ends_at_floor(schedule: Any) -> None:
    train = TrainTable(steps=1, schedule=schedule, warmup=0.1, floor=0.05)
    assert rate(train, 0.1) == pytest.approx(1.0)
    assert rate(train, 1.0) == pytest.approx(0.05)
    assert rate(train, 0.05) == pytest.approx(0.5)


def test_seeds_differ_by_use_and_position_and_never_change() -> None:
    seeds = {derive(1, "data", 0), derive(1, "data", 1), derive(1, "dropout", 0), derive(2, "data", 0)}
    assert len(seeds) == 4
    assert derive(1337, "init") == derive(1337, "init") < 2**63
