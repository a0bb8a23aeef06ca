"""Doing a part of a run again, from one of its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from gatllm.errors import GatllmError, UsageError, VerificationError
from gatllm.models import weights_root
from gatllm.progress import Progress, Report, silent
from gatllm.tokenizers import load as load_tokenizer
from gatllm.training import checkpoint
from gatllm.training.assembly import assemble
from gatllm.training.run import CHECKPOINTS, TOKENIZER, Run
from gatllm.training.session import StepResult
from gatllm.training.tables import TrainTable


@dataclass(frozen=True)
class Replay:
    """What the replayed updates gave, to be held against the log: results, and the state after the last one."""

    steps: list[StepResult]
    weights_root: str
    state_root: str
    weights: Mapping[str, Tensor]
    environment: Mapping[str, Any]


def replay(run: Run, start: int, steps: int, *, source: str | None = None, report: Report = silent) -> Replay:
    """Do ``steps`` updates from the checkpoint after ``start`` updates (0: from initialisation) and return the result.

    Data, tokenizer, recipe and initial weights are first checked against the commitments. Progress, and so the rates,
    follow from the step where the budget is in steps; of a budget in minutes they are read from the log. ``source``
    names the data where the recipe's path is not of this machine.

    Raises:
        VerificationError: data, tokenizer, recipe or checkpoint is not the committed one.
        GatllmError: there is no such checkpoint or step in the log.
        UsageError: the run was trained by several processes.
    """
    before = run.start["commitments"]
    env = before["environment"]
    if env["processes"] != 1:
        raise UsageError(f"the run was trained by {env['processes']} processes", "replay runs of one process")
    recipe = run.recipe if source is None else run.recipe.replace({"data.source": source})
    made = assemble(
        recipe,
        tokenizer=load_tokenizer(run.path / TOKENIZER),
        dtype=env["dtype"],
        threads=int(env["threads"]),
        report=report,
    )
    commitments = made.commitments | {"recipe": run.recipe.digest()}
    for name in ("data_root", "tokenizer", "recipe", "init_root"):
        if commitments[name] != before[name]:
            raise VerificationError(f"{name} is not the one that the run committed to")
    session = made.session
    if start:
        session.load(*_checkpoint(run, start).load(), f"checkpoint {start}")
    progress = {entry["step"]: entry["progress"] for entry in run.events("step")}
    wanted = range(start + 1, start + steps + 1)
    if missing := [step for step in wanted if step not in progress]:
        raise GatllmError(f"the log has no step {missing[0]}", f"the run has {max(progress, default=0)} steps")
    results = []
    try:
        for step in wanted:
            results.append(session.advance(_progress(recipe.train, step, progress[step])))
            report(Progress("replay", step - start, steps, "steps"))
    finally:
        made.objective.close()
    weights = session.weights()
    return Replay(results, weights_root(weights), weights_root(session.state()), weights, commitments["environment"])


def _progress(train: TrainTable, step: int, logged: float) -> float:
    return (step - 0.5) / train.steps if train.steps is not None else logged


def _checkpoint(run: Run, step: int) -> checkpoint.Checkpoint:
    made = checkpoint.read(Path(run.path) / CHECKPOINTS / checkpoint.folder_name(step))
    named = {(entry["step"], entry["weights_root"], entry["state_root"]) for entry in run.events("checkpoint")}
    if (made.step, made.weights_root, made.state_root) not in named:
        raise VerificationError(f"the log does not name {made.path}")
    return made
