"""Two processes (gloo): the update is that of one process with twice the passes; resume works; sharding agrees."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gatllm.errors import UsageError
from gatllm.models import ChatOptions, Message
from gatllm.models.tuned import load_lm
from gatllm.training import Recipe, Run, replay, train
from tests.models.tiny_lm import write_tiny_lm

_PROGRAM = """
import signal, sys
from gatllm.training import Recipe, train
def stop(event, fields):
    if event == "step" and fields["step"] == int(sys.argv[3]):
        signal.raise_signal(signal.SIGINT)
try:
    train(Recipe.load(sys.argv[1]), sys.argv[2], observe=stop)
except KeyboardInterrupt:
    pass  # torchrun would end the other process before it has written its part
"""


def by_two(recipe: Recipe, folder: Path, stop_at: int = 0) -> Run:
    file = folder.with_suffix(".toml")
    file.write_text(recipe.to_toml())
    program = folder.with_suffix(".py")
    program.write_text(_PROGRAM)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node=2",
            program,
            file,
            folder,
            str(stop_at),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return Run.open(folder)


@pytest.mark.parametrize(
    ("parallel", "optimizer"),
    [
        ("ddp", "adamw"),
        pytest.param("fsdp", "adamw", marks=pytest.mark.slow),
        pytest.param("fsdp", "muon", marks=pytest.mark.slow),
    ],
)
def test_two_processes_do_what_one_does_with_twice_the_passes(
    tiny: dict[str, Any], tmp_path: Path, parallel: str, optimizer: str
) -> None:
    common = {"train.steps": 6, "train.checkpoints": 2, "train.optimizer": optimizer, "train.parallel": parallel}
    recipe = Recipe.of(tiny, {**common, "model.dropout": 0.0})
    one = train(recipe.replace({"train.accumulate": 2}), tmp_path / "one")
    two = by_two(recipe, tmp_path / "two")
    losses = [[entry["loss"] for entry in run.events("step")] for run in (one, two)]
    assert losses[1] == pytest.approx(losses[0], abs=2e-3 if optimizer == "muon" else 1e-5)
    assert losses[1][0] == pytest.approx(losses[0][0], abs=1e-6)
    assert two.metrics["tokens"] == one.metrics["tokens"]
    assert two.complete
    with pytest.raises(UsageError, match="2 processes"):
        replay(two, 0, 1)


@pytest.mark.slow
@pytest.mark.parametrize(("parallel", "adapter"), [("ddp", "lora"), ("fsdp", "none")])
def test_a_pretrained_model_is_trained_by_two_processes(tmp_path: Path, parallel: str, adapter: str) -> None:
    pairs = tmp_path / "pairs.json"
    pairs.write_text(json.dumps({"sky?": "blue", "grass?": "green", "snow?": "white", "sun?": "yellow"}))
    base = write_tiny_lm(tmp_path / "lm")
    recipe = Recipe.of(
        {"name": "tuned", "objective": "chat", "data": {"source": str(pairs)},
         "model": {"kind": "pretrained", "base": str(base), "adapter": adapter, "context": 64},
         "train": {"steps": 4, "batch": 1, "lr": 5e-3, "optimizer": "adamw", "precision": "fp32", "threads": 1,
                   "samples": 0, "checkpoints": 2, "parallel": parallel}}
    )  # fmt: skip
    one = train(recipe.replace({"train.accumulate": 2}), tmp_path / "one")
    two = by_two(recipe, tmp_path / "two")
    losses = [[entry["loss"] for entry in run.events("step")] for run in (one, two)]
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)
    asked: list[Message] = [{"role": "user", "content": "sky?"}]
    said = [load_lm(run.path, dtype="float32").generate([asked], ChatOptions(4))[0].text for run in (one, two)]
    assert said[0] == said[1]


@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_two_processes_resume_to_the_bit(tiny: dict[str, Any], tmp_path: Path, parallel: str) -> None:
    recipe = Recipe.of(tiny, {"train.steps": 6, "train.parallel": parallel})
    whole = by_two(recipe, tmp_path / "whole")
    assert not by_two(recipe, tmp_path / "parts", stop_at=3).complete
    parts = by_two(recipe, tmp_path / "parts")
    assert parts.events("resume")[0]["step"] == 3
    assert parts.log[-1]["weights_root"] == whole.log[-1]["weights_root"]
