"""The pinned profile sets its own variables, is written in the log, and refuses what would break it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gatllm.errors import UsageError
from gatllm.training import Recipe, Run
from gatllm.training.pinning import VARIABLES, missing_variables, pin


def pinned(tiny: dict[str, Any], **overrides: Any) -> Recipe:
    return Recipe.of({**tiny, "determinism": {"pinned": True}}, overrides)


def test_a_recipe_without_it_is_as_before(tiny: dict[str, Any]) -> None:
    assert "determinism" not in Recipe.of(tiny).to_dict()
    assert missing_variables(Recipe.of(tiny)) == {}
    assert Recipe.of({**tiny, "determinism": {"pinned": False}}).digest() != Recipe.of(tiny).digest()


@pytest.mark.parametrize("wrong", [{"train.threads": 2}, {"train.precision": "bf16"}, {"train.device": "cuda"}])
def test_what_can_t_be_pinned_is_refused(tiny: dict[str, Any], wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="one thread of the processor in fp32"):
        pin(pinned(tiny, **wrong))


def test_missing_variables_are_named(tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MKL_CBWR", raising=False)
    assert "MKL_CBWR" in missing_variables(pinned(tiny))
    with pytest.raises(UsageError, match=r"set .*MKL_CBWR=AVX2"):
        pin(pinned(tiny))


def test_the_command_sets_them_and_another_process_replays_to_the_bit(tiny: dict[str, Any], tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(pinned(tiny, **{"train.steps": 4, "train.checkpoints": 2}).to_toml())
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    environment |= {"XDG_DATA_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}

    def gatllm(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gatllm", *map(str, arguments)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    trained = gatllm("train", recipe, "--out", tmp_path / "run", "--quiet")
    assert trained.returncode == 0, trained.stderr
    assert "starting again with" in trained.stderr
    environment_then = Run.open(tmp_path / "run").start["commitments"]["environment"]
    assert VARIABLES.items() <= environment_then["variables"].items()
    assert (environment_then["instruction_set"], environment_then["threads"]) == ("AVX2", 1)
    assert gatllm("proof", "write", tmp_path / "run").returncode == 0
    checked = gatllm("proof", "verify", tmp_path / "run", "--depth", "full")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count("bit-exact") == 2
