"""Runs: begun, interrupted, killed, resumed, refused, stopped."""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import torch

from gatllm.errors import GatllmError, UsageError, VerificationError
from gatllm.models import load_run
from gatllm.progress import Progress
from gatllm.records import HashLog, digest, read_log
from gatllm.training import Recipe, Run, assembly, replay, train

ROUNDING = 1e-6


def losses(run: Run) -> list[float]:
    return [entry["loss"] for entry in run.events("step")]


def test_a_run_learns_and_says_what_it_did(tiny: dict[str, Any], tmp_path: Path) -> None:
    seen: list[str] = []
    told: list[Progress] = []
    run = train(
        Recipe.of(tiny, {"train.steps": 60}),
        tmp_path / "run",
        report=told.append,
        observe=lambda event, _: seen.append(event),
    )
    assert run.complete
    assert run.metrics["loss"] < losses(run)[0] - 0.5
    assert run.metrics["bits_per_byte"] == pytest.approx(run.metrics["loss"] / 0.6931472, rel=0.02)
    assert {"step", "validation", "sample", "checkpoint", "end"} <= set(seen)
    assert any("left" in progress.note and progress.unit == "steps" for progress in told)
    commitments = run.start["commitments"]
    assert {"data_root", "tokenizer", "recipe", "init_root", "code", "environment"} == set(commitments)
    assert commitments["recipe"] == run.recipe.digest()
    assert (run.path / "report" / "report.md").read_text().startswith("# tiny")
    assert (run.path / "report" / "curves.png").read_bytes().startswith(b"\x89PNG")
    loaded = load_run(run.path)
    assert loaded.recipe["model"]["vocabulary"] == loaded.tokenizer.size


def test_a_finished_run_is_not_trained_again(tiny: dict[str, Any], tmp_path: Path) -> None:
    first = train(Recipe.of(tiny), tmp_path / "run")
    log = (first.path / "log.jsonl").read_bytes()
    again = train(Recipe.of(tiny), tmp_path / "run")
    assert again.metrics == first.metrics
    assert (first.path / "log.jsonl").read_bytes() == log


class _StopAt:
    """Presses Ctrl-C when an update is logged."""

    def __init__(self, step: int) -> None:
        self.step = step

    def __call__(self, event: str, fields: Mapping[str, Any]) -> None:
        if event == "step" and fields["step"] == self.step:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_interrupted_and_resumed_is_equal_to_the_bit(tiny: dict[str, Any], tmp_path: Path, optimizer: str) -> None:
    recipe = Recipe.of(tiny, {"train.optimizer": optimizer, "train.ema": 0.9, "train.accumulate": 2})
    whole = train(recipe, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "parts", observe=_StopAt(7))
    assert not Run.open(tmp_path / "parts").complete
    parts = train(recipe, tmp_path / "parts")
    assert len(parts.events("resume")) == 1
    assert losses(parts) == losses(whole)
    assert parts.log[-1]["weights_root"] == whole.log[-1]["weights_root"]
    assert parts.events("checkpoint")[-1]["state_root"] == whole.events("checkpoint")[-1]["state_root"]


_KILLED = """
import os, signal, sys
from gatllm.training import Recipe, train
def kill(event, fields):
    if event == "step" and fields["step"] == 11:
        os.kill(os.getpid(), signal.SIGKILL)
train(Recipe.load(sys.argv[1]), sys.argv[2], observe=kill)
"""


def test_killed_and_resumed_is_equal_to_the_bit(tiny: dict[str, Any], tmp_path: Path) -> None:
    recipe = Recipe.of(tiny)
    (tmp_path / "tiny.toml").write_text(recipe.to_toml())
    arguments = [sys.executable, "-c", _KILLED, tmp_path / "tiny.toml", tmp_path / "killed"]
    done = subprocess.run(arguments, check=False, capture_output=True, env={**os.environ})
    assert done.returncode == -signal.SIGKILL, done.stderr
    with (tmp_path / "killed" / "log.jsonl").open("a") as log:
        log.write('{"torn')
    whole, resumed = train(recipe, tmp_path / "whole"), train(recipe, tmp_path / "killed")
    assert resumed.events("resume")[0]["step"] == 8  # the last checkpoint before the kill
    assert losses(resumed) == losses(whole)
    assert resumed.log[-1]["weights_root"] == whole.log[-1]["weights_root"]


def _as_an_older_version_wrote_it(run: Path, keys: list[str]) -> None:
    """Take keys of ``[train]`` out of a run's recipe, and commit to it so in a log of the same entries."""
    recipe = tomllib.loads((run / "recipe.toml").read_text())
    for key in keys:
        del recipe["train"][key]
    (run / "recipe.toml").write_text(tomli_w.dumps(recipe))
    entries = read_log(run / "log.jsonl")
    entries[0]["commitments"]["recipe"] = digest(recipe)
    (run / "log.jsonl").unlink()
    with HashLog(run / "log.jsonl") as log:
        for entry in entries:
            log.append(entry["event"], **{k: v for k, v in entry.items() if k not in {"event", "seq", "time", "prev"}})


def test_a_run_from_before_a_key_was_there_continues_and_replays(tiny: dict[str, Any], tmp_path: Path) -> None:
    recipe = Recipe.of(tiny)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "run", observe=_StopAt(12))
    _as_an_older_version_wrote_it(tmp_path / "run", ["measure", "until", "patience"])
    resumed = train(recipe, tmp_path / "run")
    assert resumed.log[-1]["weights_root"] == train(recipe, tmp_path / "whole").log[-1]["weights_root"]
    assert replay(resumed, 0, 4).weights_root == resumed.events("checkpoint")[0]["weights_root"]
    (resumed.path / "recipe.toml").write_text(recipe.replace({"train.lr": 0.5}).to_toml())
    with pytest.raises(VerificationError):
        replay(Run.open(resumed.path), 0, 4)


def test_a_changed_checkpoint_is_passed_over(tiny: dict[str, Any], tmp_path: Path) -> None:
    recipe = Recipe.of(tiny)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "run", observe=_StopAt(12))
    newest = sorted((tmp_path / "run" / "checkpoints").iterdir())[-1] / "model.safetensors"
    data = bytearray(newest.read_bytes())
    data[-1] ^= 1
    newest.write_bytes(bytes(data))
    resumed = train(recipe, tmp_path / "run")
    assert resumed.events("resume")[0]["step"] == 8
    assert losses(resumed) == losses(train(recipe, tmp_path / "whole"))


def test_changed_data_or_recipe_is_refused(tiny: dict[str, Any], tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text(Path(tiny["data"]["source"]).read_text())
    recipe = Recipe.of(tiny, {"data.source": str(text)})
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "run", observe=_StopAt(5))
    with pytest.raises(UsageError, match=r"train\.lr"):
        train(recipe.replace({"train.lr": 0.1}), tmp_path / "run")
    text.write_text(text.read_text() + "the end. ")
    with pytest.raises(VerificationError, match="data"):
        train(recipe, tmp_path / "run")
    with pytest.raises(UsageError, match="already holds a run"):
        train(recipe, tmp_path / "run", resume=False)


def test_a_folder_of_something_else_is_left_alone(tiny: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="something else"):
        train(Recipe.of(tiny), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_one_batch_of_8_is_8_of_1(tiny: dict[str, Any], tmp_path: Path) -> None:
    common = {"model.dropout": 0.0, "data.window": "sequential", "train.optimizer": "adamw", "train.steps": 6}
    one = train(Recipe.of(tiny, {**common, "train.batch": 8}), tmp_path / "one")
    many = train(Recipe.of(tiny, {**common, "train.batch": 1, "train.accumulate": 8}), tmp_path / "many")
    assert losses(many) == pytest.approx(losses(one), abs=ROUNDING)
    assert many.metrics["loss"] == pytest.approx(one.metrics["loss"], abs=1e-5)


def test_a_loss_that_is_no_number_stops_the_run(tiny: dict[str, Any], tmp_path: Path) -> None:
    recipe = Recipe.of(tiny, {"train.lr": 1e30, "train.optimizer": "adamw", "train.clip": 0.0, "train.checkpoints": 20})
    with pytest.raises(GatllmError, match=r"not finite at step \d+ \(pass \d+.*last good checkpoint.*lower train.lr"):
        train(recipe, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    assert run.log[-1]["event"] == "failed"
    assert not run.complete


def test_memory_that_runs_out_says_what_to_lower(
    tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gatllm.training.session import Session

    def refuse(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Session, "advance", refuse)
    with pytest.raises(GatllmError, match=r"at step 1 \(train.batch 4.*train.batch to 2 and train.accumulate to 2"):
        train(Recipe.of(tiny), tmp_path / "run")


def test_a_model_too_large_for_memory_says_what_to_lower(
    tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 12000000000000 bytes")

    monkeypatch.setattr(assembly, "build", refuse)
    with pytest.raises(GatllmError, match=r"before the first step .*model.width 16\).*lower"):
        train(Recipe.of(tiny), tmp_path / "run")


def test_a_pretrained_model_too_large_for_memory_is_not_told_of_a_width() -> None:
    from gatllm.training.memory import enough_memory

    recipe = Recipe.load("chat", {"data.source": "x.json", "model.adapter": "none"})
    with pytest.raises(GatllmError) as raised, enough_memory(recipe, "at step 1"):
        raise MemoryError
    assert "width" not in str(raised.value) + str(raised.value.cure)
    assert "model.checkpointing" in str(raised.value.cure)


def test_a_folder_that_cannot_be_made_is_an_error(tiny: dict[str, Any]) -> None:
    with pytest.raises(GatllmError, match="can't make the folder"):
        train(Recipe.of(tiny), "/dev/null/run")


def test_minutes_bound_a_run(tiny: dict[str, Any], tmp_path: Path) -> None:
    run = train(Recipe.of(tiny, {"train.minutes": 0.02, "train.schedule": "linear"}), tmp_path / "run")
    steps = run.events("step")
    assert steps[0]["progress"] <= steps[-1]["progress"] <= 1.0
    assert steps[-1]["lr"] < max(entry["lr"] for entry in steps)


def test_early_stopping_and_the_best_weights(tiny: dict[str, Any], tmp_path: Path) -> None:
    overrides = {"train.patience": 2, "train.select": "best", "train.lr": 0.3, "train.matrix_lr": 0.5}
    overrides |= {"train.steps": 60, "train.evaluations": 30, "train.schedule": "constant", "train.optimizer": "adamw"}
    run = train(Recipe.of(tiny, overrides), tmp_path / "run")
    validations = run.events("validation")
    best = min(validations, key=lambda entry: entry["loss"])
    assert len(run.events("step")) < 60
    assert run.metrics["loss"] == best["loss"]
    assert run.log[-1]["step"] == best["step"]


def test_replay_gives_the_logged_losses_and_roots(tiny: dict[str, Any], tmp_path: Path) -> None:
    run = train(Recipe.of(tiny), tmp_path / "run")
    checkpoints = {entry["step"]: entry for entry in run.events("checkpoint")}
    for start, stop in ((0, 4), (12, 16)):
        again = replay(run, start, stop - start)
        assert [result.loss for result in again.steps] == losses(run)[start:stop]
        assert again.weights_root == checkpoints[stop]["weights_root"]
        assert again.state_root == checkpoints[stop]["state_root"]


def test_replay_of_minutes_takes_progress_from_the_log(tiny: dict[str, Any], tmp_path: Path) -> None:
    run = train(Recipe.of(tiny, {"train.minutes": 0.02, "train.keep": 9}), tmp_path / "run")
    last = run.events("checkpoint")[-1]
    again = replay(run, 0, last["step"])
    assert again.weights_root == last["weights_root"]


def test_a_log_line_is_json_of_plain_values(tiny: dict[str, Any], tmp_path: Path) -> None:
    run = train(Recipe.of(tiny), tmp_path / "run")
    for line in (run.path / "log.jsonl").read_text().splitlines():
        assert {"seq", "time", "event", "prev"} <= set(json.loads(line))


def test_a_run_begins_with_the_weights_of_another(tiny: dict[str, Any], tmp_path: Path) -> None:
    first = train(Recipe.of(tiny, {"train.steps": 40}), tmp_path / "first")
    second = train(Recipe.of(tiny, {"start": str(first.path), "train.steps": 3}), tmp_path / "second")
    assert second.start["commitments"]["init_root"] == first.log[-1]["weights_root"]
    assert losses(second)[0] < losses(first)[0] - 0.3
    assert replay(second, 0, 3).steps[2].loss == losses(second)[2]


def test_another_that_does_not_fit_is_refused(tiny: dict[str, Any], tmp_path: Path) -> None:
    first = train(Recipe.of(tiny, {"train.steps": 2}), tmp_path / "first")
    with pytest.raises(GatllmError, match="doesn't fit the model"):
        train(Recipe.of(tiny, {"start": str(first.path), "model.width": 32}), tmp_path / "wide")
    (tmp_path / "tokenizer.json").write_text((first.path / "tokenizer.json").read_text().replace('"e"', '"é"'))
    text = tmp_path / "text.txt"
    text.write_text(Path(tiny["data"]["source"]).read_text().replace("e", "é"))
    other = {"tokenizer.kind": "file", "tokenizer.path": str(tmp_path / "tokenizer.json"), "data.source": str(text)}
    with pytest.raises(UsageError, match="another tokenizer"):
        train(Recipe.of(tiny, {"start": str(first.path), **other}), tmp_path / "other")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler's own
def test_a_compiled_model_trains_the_same(tiny: dict[str, Any], tmp_path: Path) -> None:
    plain = train(Recipe.of(tiny, {"model.dropout": 0.0, "train.steps": 4}), tmp_path / "plain")
    fast = train(
        Recipe.of(tiny, {"model.dropout": 0.0, "train.steps": 4, "train.compile": "on"}), tmp_path / "compiled"
    )
    assert losses(fast) == pytest.approx(losses(plain), abs=1e-3)


def test_what_a_crash_at_the_very_beginning_left_is_no_hindrance(tiny: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("log.jsonl", "recipe.toml", ".partial-tokenizer.json-0123abcd"):
        (folder / name).write_text("")
    assert train(Recipe.of(tiny, {"train.steps": 2}), folder).complete


def test_looking_does_not_eat_up_the_time_to_train(
    tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gatllm.training.session import Session

    evaluate = Session.evaluate

    def slow(session: Session) -> dict[str, float]:
        time.sleep(0.3)
        return evaluate(session)

    monkeypatch.setattr(Session, "evaluate", slow)
    run = train(Recipe.of(tiny, {"train.minutes": 0.02, "train.evaluations": 50}), tmp_path / "run")
    assert 1 <= len(run.events("validation")) <= 3  # 1.2 s would hold 4 of 0.3 s, and no training
    assert run.events("validation")[-1]["step"] == run.log[-1]["step"]


def test_epochs_become_steps(tiny: dict[str, Any], tmp_path: Path) -> None:
    table = {key: value for key, value in tiny["train"].items() if key != "steps"}
    recipe = Recipe.of({**tiny, "train": {**table, "epochs": 0.05}})
    run = train(recipe, tmp_path / "run")
    assert run.recipe.train.steps == len(run.events("step")) > 0
    assert train(recipe, tmp_path / "run").complete  # the same recipe again: the same run
    with pytest.raises(UsageError, match="one budget"):
        Recipe.of({**tiny, "train": {**table, "epochs": 1.0, "minutes": 1.0}})


def test_a_misspelt_key_of_the_model_is_named_before_anything_is_read(tiny: dict[str, Any], tmp_path: Path) -> None:
    recipe = Recipe.of({**tiny, "data": {"source": "no such file"}, "model": {"widht": 64}})
    with pytest.raises(UsageError, match=r"unknown key model\.widht; did you mean width"):
        train(recipe, tmp_path / "run")


def test_a_finished_run_says_how_to_go_on_longer(tiny: dict[str, Any], tmp_path: Path) -> None:
    train(Recipe.of(tiny, {"train.steps": 2}), tmp_path / "run")
    with pytest.raises(UsageError, match="--set start="):
        train(Recipe.of(tiny, {"train.steps": 4}), tmp_path / "run")


def test_a_text_stands_for_a_recipe(text: Path) -> None:
    recipe = Recipe.load(text)
    assert (recipe.name, recipe.objective, recipe.expect) == ("text", "causal", None)


def test_answers_are_not_learnt_without_their_questions(tiny: dict[str, Any], tmp_path: Path) -> None:
    from gatllm.data import Rows, build

    pairs = build(Rows([{"question": "a?", "answer": "b"}]), tmp_path / "pairs")
    (tmp_path / "chat.jsonl").write_text('{"messages": [{"role": "user", "content": "a"}]}\n')
    chat = build(tmp_path / "chat.jsonl", tmp_path / "chat")
    for dataset, what in ((pairs, "questions and answers"), (chat, "conversations")):
        with pytest.raises(GatllmError, match=f'{what}; set objective = "chat"'):
            train(Recipe.of({**tiny, "data": {"source": str(dataset.path)}}), tmp_path / "run")
