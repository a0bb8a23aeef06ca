"""Preference pairs: read in both forms, learnt against the model that the run begins with, resumed exactly."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from gatllm.errors import GatllmError
from gatllm.progress import Progress, silent
from gatllm.training import Recipe, replay, train
from gatllm.training.objectives.preference import prepare, read_preferences
from tests.models.tiny_lm import write_tiny_lm

TRAIN = {"steps": 30, "batch": 4, "optimizer": "adamw", "lr": 5e-3, "precision": "fp32", "threads": 1,
         "evaluations": 2, "samples": 1, "checkpoints": 3}  # fmt: skip


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    file = tmp_path / "pairs.jsonl"
    rows: list[Any] = [{"prompt": f"sky {n}?", "chosen": "blue", "rejected": "loud"} for n in range(8)]
    rows.append({"messages": [{"role": "user", "content": "grass?"}, {"role": "assistant", "content": "green"}],
                 "rejected": "loud"})  # fmt: skip
    rows.append({"prompt": [{"role": "user", "content": "x"}], "rejected": "disliked alone"})
    rows.append({"prompt": "same?", "chosen": "a", "rejected": "a"})
    file.write_text("\n".join([*map(json.dumps, rows), "no json"]))
    return file


def recipe(base: Path, pairs: Path, **model: Any) -> Recipe:
    return Recipe.of(
        {
            "name": "preferred",
            "objective": "preference",
            "data": {"source": str(pairs)},
            "model": {"kind": "pretrained", "base": str(base), "context": 64, **model},
            "train": TRAIN,
        }
    )


def test_both_forms_are_read_and_what_says_nothing_of_two_is_named(pairs: Path) -> None:
    found, bad = read_preferences(pairs)
    assert (len(found), len(bad)) == (9, 3)
    assert found[-1].chosen == "green"


@pytest.mark.parametrize("adapter", ["none", "lora"])
def test_the_better_answer_gains_and_a_stop_changes_nothing(pairs: Path, tmp_path: Path, adapter: str) -> None:
    wanted = recipe(write_tiny_lm(tmp_path / "lm"), pairs, adapter=adapter, rank=4)
    whole = train(wanted, tmp_path / "whole")
    steps = whole.events("step")
    assert steps[0]["loss"] == pytest.approx(math.log(2), abs=1e-3)  # before the first update both sides are alike
    assert whole.metrics["preferred"] == 1
    assert whole.metrics["loss"] < 0.5

    def stop(progress: Progress) -> None:
        if progress.task == "training" and progress.done == 15:
            raise MemoryError

    with pytest.raises((MemoryError, GatllmError)):
        train(wanted, tmp_path / "stopped", report=stop)
    again = train(wanted, tmp_path / "stopped")
    assert again.log[-1]["weights_root"] == whole.log[-1]["weights_root"]
    assert replay(whole, 0, 10).weights_root == whole.events("checkpoint")[0]["weights_root"]


def test_a_native_model_prefers_from_where_it_stands(pairs: Path, tmp_path: Path) -> None:
    values = {
        "name": "native",
        "objective": "chat",
        "data": {"source": str(tmp_path / "chat.json")},
        "tokenizer": {"size": 300},
        "model": {"layers": 1, "heads": 2, "width": 16, "context": 64},
        "train": {**TRAIN, "steps": 5},
    }
    (tmp_path / "chat.json").write_text(json.dumps({"sky?": "blue", "grass?": "green"}))
    start = train(Recipe.of(values), tmp_path / "start")
    wanted = Recipe.of(
        {"name": "p", "objective": "preference", "start": str(start.path), "data": {"source": str(pairs)},
         "model": start.recipe.model, "train": TRAIN}
    )  # fmt: skip
    run = train(wanted, tmp_path / "run")
    assert run.events("step")[0]["loss"] == pytest.approx(math.log(2), abs=1e-3)
    assert run.metrics["preferred"] > 0.8


TURNS = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "the sky?"},
         {"role": "assistant", "content": "blue"}, {"role": "user", "content": "and at night?"},
         {"role": "assistant", "content": "black"}]  # fmt: skip


@pytest.mark.parametrize("template", [True, False])
def test_answers_within_a_conversation_are_compared_after_what_was_said_before(tmp_path: Path, template: bool) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join(json.dumps({"messages": TURNS, "rejected": f"loud {n}"}) for n in range(4)))
    wanted = recipe(write_tiny_lm(tmp_path / "lm", template=template, context=256), file, context=256, adapter="none")
    run = train(wanted.replace({"train.steps": 4}), tmp_path / "run")
    assert run.metrics["preferred"] == 1
    objective = prepare(wanted, None, silent)
    (prompt, chosen), (other, rejected) = objective.train[0][0]
    assert prompt == other
    read = objective.tokenizer.decode(prompt)
    assert [read.count(turn["content"]) for turn in TURNS] == [1, 1, 1, 1, 0]
    assert read.endswith("assistant\n" if template else "User: and at night?\nAssistant:")
    assert objective.tokenizer.decode(chosen[:-1]) == ("black" if template else " black")
    assert objective.tokenizer.decode(rejected[:-1]).strip().startswith("loud")


@pytest.mark.parametrize(
    "turn", [{"role": "robot", "content": "x"}, {"role": "user", "content": 3}, {"role": "user"}, 5]
)
def test_a_turn_that_is_none_makes_its_line_none(tmp_path: Path, turn: Any) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(json.dumps({"messages": [turn, *TURNS[1:]], "rejected": "loud"}))
    with pytest.raises(GatllmError, match="holds no preference"):
        read_preferences(file)


def test_what_cannot_work_is_one_clear_line(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text('{"prompt": "a", "chosen": "b"}\n')
    with pytest.raises(GatllmError, match=r"holds no preference \(line 1: 'rejected' is missing\)"):
        read_preferences(empty)
    with pytest.raises(GatllmError, match="can't read"):
        read_preferences(tmp_path / "nowhere.jsonl")
