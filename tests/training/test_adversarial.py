"""Rounds: the breaker turns to what is missed, each round leaves a run and a log entry, and play can be resumed."""

from pathlib import Path

import pytest
from tests.training.test_tagging import MODULE

from gatllm.data import FAMILIES, build
from gatllm.errors import GatllmError
from gatllm.records import read_log
from gatllm.training import Recipe, train
from gatllm.training.adversarial import LOG, _harder, play

SMALL = {
    "train.minutes": None,
    "train.steps": 2,
    "train.batch": 4,
    "train.threads": 1,
    "train.precision": "fp32",
    "data.validation_repairs": 0,
    "data.validation_rows": 4,
    "data.workers": 0,
}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rounds")
    for number in range(25):
        (root / f"module{number}.py").write_text(MODULE.replace("Box", f"Box{number}"))
    build(str(root), root / "set")
    sizes = {"model.width": 32, "model.heads": 2, "model.layers": 1, "model.context": 96, "tokenizer.size": 900}
    recipe = Recipe.load("discriminator", {"data.source": str(root / "set"), **sizes, **SMALL})
    return train(recipe, root / "run").path


def test_the_breaker_turns_to_what_is_missed_and_forgets_nothing() -> None:
    even = {name: family.weight for name, family in FAMILIES.items()}
    harder = _harder(even, {"comma": 1.0, "colon": 0.0})
    assert harder["comma"] / even["comma"] > 1.5 > harder["colon"] / even["colon"]
    assert min(harder.values()) > 0
    for syntactic in (True, False):
        names = [name for name, family in FAMILIES.items() if family.syntactic == syntactic]
        assert sum(harder[n] for n in names) == pytest.approx(sum(even[n] for n in names), rel=1e-3)


def test_rounds_are_played_logged_and_resumed(start: Path, tmp_path: Path) -> None:
    first = play(start, tmp_path, rounds=1, cases=1, overrides=SMALL)
    assert [standing.round for standing in first] == [0, 1]
    again = play(start, tmp_path, rounds=2, cases=1, overrides=SMALL)
    assert again[:2] == first
    assert len(read_log(tmp_path / LOG)) == 3
    recipe = Recipe.load(tmp_path / "round-2" / "recipe.toml")
    assert recipe.start == str(tmp_path / "round-1")
    assert recipe.data.model_dump()["families"]


def test_another_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GatllmError):
        play(tmp_path, tmp_path / "out")
