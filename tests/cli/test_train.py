"""`gatllm train`, `report`, `eval`, `tune` as a user calls them."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from gatllm.cli import main
from tests.models.tiny_lm import write_tiny_lm

RECIPE = """
objective = "causal"
[data]
source = "{text}"
[tokenizer]
kind = "characters"
[model]
layers = 1
heads = 2
width = 16
context = 16
[train]
steps = {steps}
batch = 4
precision = "fp32"
threads = 1
evaluations = 2
samples = 1
checkpoints = 2
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text("the cat sat on the mat. " * 60)
    (tmp_path / "tiny.toml").write_text(RECIPE.format(text=tmp_path / "text.txt", steps=10))
    return tmp_path / "tiny.toml"


class Answer(NamedTuple):
    code: object
    out: str
    err: str


@pytest.fixture
def gatllm(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    def call(*arguments: str | Path) -> Answer:
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        return Answer(stopped.value.code, *capsys.readouterr())

    return call


def test_train_report_and_eval(recipe: Path, tmp_path: Path, gatllm: Callable[..., Answer]) -> None:
    out = tmp_path / "run"
    trained = gatllm("train", recipe, "--out", out, "--json", "--set", "train.lr=0.01")
    assert json.loads(trained.out)["metrics"]["steps"] == 10
    assert "validation loss" in trained.err
    assert json.loads(gatllm("report", out, "--json").out)["complete"] is True
    task = tmp_path / "task.jsonl"
    task.write_text(
        "".join(json.dumps({"input": f"the {word}", "output": "sat"}) + "\n" for word in ("cat", "mat", "the"))
    )
    asked = gatllm("eval", out, "--task", task, "--template", "{input}", "--shots", "0", "--limit", "2", "--json")
    assert json.loads(asked.out)[0]["asked"] == 2


def test_eval_of_a_pretrained_folder(tmp_path: Path, gatllm: Callable[..., Answer]) -> None:
    folder = write_tiny_lm(tmp_path / "lm")
    task = tmp_path / "sums.json"
    task.write_text(json.dumps({f"{n} + 1": str(n + 1) for n in range(6)}))
    asked = gatllm(
        "eval", folder, "--task", task, "--shots", "0", "2", "--limit", "3", "--tokens", "2", "--quiet", "--json"
    )
    assert [(score["task"], score["shots"], score["asked"]) for score in json.loads(asked.out)] == [
        ("sums", 0, 3),
        ("sums", 2, 3),
    ]
    shown = gatllm("eval", folder, "--task", task, "--shots", "0", "--limit", "3", "--tokens", "2", "--quiet")
    assert "95 % interval" in shown.out
    (folder / "config.json").unlink()
    broken = gatllm("eval", folder, "--task", task, "--quiet")
    assert broken.code == 1
    assert len(broken.err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "train.stepz=3"], "did you mean steps"),
        (["--set", "train.lr"], "not KEY=VALUE"),
        (["--set", 'train.device="cuda:9"'], "no device cuda:9"),
        (["--set", "data.source=missing.txt"], "can't read missing.txt"),
        (["--set", "model.widht=8"], "widht"),
        (["--set", "model.heads=3"], "model: width 16 can't be divided among 3 heads"),
        (["--steps", "3", "--minutes", "1"], "exclude each other"),
    ],
)
def test_what_is_wrong_is_one_line(
    recipe: Path, tmp_path: Path, arguments: list[str], words: str, gatllm: Callable[..., Answer]
) -> None:
    done = gatllm("train", recipe, "--out", tmp_path / "run", "--quiet", *arguments)
    assert done.code == (1 if "missing" in words else 2)
    assert words in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_a_missing_recipe_names_those_there_are(gatllm: Callable[..., Answer]) -> None:
    assert "did you mean shakespeare" in gatllm("train", "shakespear").err


def test_ctrl_c_stops_cleanly(recipe: Path, tmp_path: Path, gatllm: Callable[..., Answer]) -> None:
    recipe.write_text(RECIPE.format(text=tmp_path / "text.txt", steps=100_000))
    out = tmp_path / "run"
    program = [sys.executable, "-m", "gatllm", "train", str(recipe), "--out", str(out), "--quiet"]
    child = subprocess.Popen(program, stderr=subprocess.PIPE, text=True, env={**os.environ})
    log = out / "log.jsonl"
    deadline = time.monotonic() + 60
    while not (log.is_file() and log.read_text().count('"event":"step"') > 3):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "Traceback" not in errors
    last = json.loads(log.read_text().splitlines()[-1])
    assert last["event"] == "checkpoint"
    assert not json.loads(gatllm("report", out, "--json").out)["complete"]


def test_what_learn_says_to_ask_with_does_not_invent_an_answer(gatllm: Callable[..., Answer], tmp_path: Path) -> None:
    pairs = tmp_path / "some pairs.json"
    pairs.write_text(json.dumps({"who is Ada?": "a pilot", "who is Bo?": "a baker"}))
    small = ["model.width=32", "model.layers=1", "train.precision=fp32", "train.threads=1", "train.steps=2"]
    learnt = gatllm("learn", pairs, "--out", tmp_path / "run", *[part for one in small for part in ("--set", one)])
    assert learnt.code == 0, learnt.err
    (line,) = [line for line in learnt.err.splitlines() if line.startswith("ask: ")]
    program, *arguments = shlex.split(line.removeprefix("ask: "))
    assert program == "gatllm"
    asked = gatllm(*arguments[:-1], "how tall is the Eiffel tower", "--quiet")
    assert asked.code == 0, asked.err
    assert "I do not know" in asked.out


def test_questions_that_need_what_was_said_before_teach_no_refusals(
    gatllm: Callable[..., Answer], tmp_path: Path
) -> None:
    turns = [{"role": role, "content": "so?"} for role in ("user", "assistant", "user", "assistant")]
    (tmp_path / "talk.jsonl").write_text(json.dumps({"messages": turns}))
    told = gatllm("data", "refusals", tmp_path / "talk.jsonl", "--model", "smollm2", "--out", tmp_path / "out")
    assert told.code == 1
    assert "1 conversations of more than a question and its answer are passed over" in told.err
    assert "holds no question that stands alone" in told.err


def test_what_is_not_held_out_is_not_called_validation(gatllm: Callable[..., Answer], tmp_path: Path) -> None:
    (tmp_path / "pairs.json").write_text(json.dumps({"sky?": "blue", "grass?": "green"}))
    base = write_tiny_lm(tmp_path / "lm")
    tuned = gatllm("finetune", base, tmp_path / "pairs.json", "--out", tmp_path / "run", "--set", "train.steps=1",
                   "--set", "train.threads=1")  # fmt: skip
    assert tuned.code == 0, tuned.err
    assert "on what is learnt, loss " in tuned.err
    assert "held_out 0" not in tuned.err
