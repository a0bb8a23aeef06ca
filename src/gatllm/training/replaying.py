"""Doing a part of a run again, from one of its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from gatllm.errors import GatllmError, UsageError, VerificationError
from gatllm.models import load_weights, put_weights, weights_root
from gatllm.progress import Progress, Report, silent
from gatllm.records import digest
from gatllm.tokenizers import load as load_tokenizer
from gatllm.training import checkpoint
from gatllm.training.assembly import Assembly, assemble
from gatllm.training.fixed_order import fixed_order
from gatllm.training.run import CHECKPOINTS, MODEL, TOKENIZER, Run
from gatllm.training.session import StepResult
from gatllm.training.tables import TrainTable


@dataclass(frozen=True)
class Replay:
    """What the replayed updates gave, to be held against the log: results, and the state after the last one."""

    steps: list[StepResult]
    weights_root: str
    state_root: str
    weights: Mapping[str, Tensor]
    state: Mapping[str, Tensor]
    environment: Mapping[str, Any]


class Replayer:
    """A run made ready to be done again: data, tokenizer, recipe and initial weights are the committed ones.

    ``source`` names the data where the recipe's path is not of this machine.

    Raises:
        VerificationError: data, tokenizer, recipe or initial weights are not the committed ones.
        UsageError: the run was trained by several processes.
    """

    def __init__(self, run: Run, *, source: str | None = None, report: Report = silent) -> None:
        self.run = run
        self.report = report
        before = run.start["commitments"]
        env = before["environment"]
        if env["processes"] != 1:
            raise UsageError(f"the run was trained by {env['processes']} processes", "replay runs of one process")
        self.recipe = run.recipe if source is None else run.recipe.replace({"data.source": source})
        self._made = self._assemble(report)
        commitments = self._made.commitments | {"recipe": digest(run.written)}
        for name in ("data_root", "tokenizer", "recipe", "init_root"):
            if commitments[name] != before[name]:
                raise VerificationError(f"{name} is not the one that the run committed to")
        self.environment: Mapping[str, Any] = commitments["environment"]
        self.code: Mapping[str, Any] = commitments["code"]
        self.parameters = sum(parameter.numel() for parameter in self._made.session.model.parameters())
        self._progress = {entry["step"]: entry["progress"] for entry in run.events("step")}

    def _assemble(self, report: Report) -> Assembly:
        env = self.run.start["commitments"]["environment"]
        return assemble(
            self.recipe,
            tokenizer=load_tokenizer(self.run.path / TOKENIZER),
            dtype=env["dtype"],
            threads=int(env["threads"]),
            before=self.run.start["commitments"],
            written=self.run.written,
            report=report,
        )

    def close(self) -> None:
        """End what prepares batches in the background."""
        self._made.objective.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def replay(self, start: int, steps: int, *, going_on: bool = False) -> Replay:
        """Do the ``steps`` updates after the checkpoint of update ``start`` again (0: from the initial weights).

        With ``going_on`` they begin with what the replay before left, which must have ended at ``start``. Progress, and
        so the rates, follow from the step where the budget is in steps; of a budget in minutes they are read from the
        log.

        Raises:
            GatllmError: there is no such checkpoint or the log has no such steps.
            VerificationError: the checkpoint is not the one the log names.
        """
        session = self._made.session
        if going_on and session.step == start:
            pass
        elif start:
            session.load(*_checkpoint(self.run, start).load(), f"checkpoint {start}")
        elif session.step:
            self.close()
            self._made = self._assemble(silent)
            session = self._made.session
        wanted = range(start + 1, start + steps + 1)
        if missing := [step for step in wanted if step not in self._progress]:
            last = max(self._progress, default=0)
            raise GatllmError(f"the log has no step {missing[0]}", f"the run has {last} steps")
        results = []
        for step in wanted:
            results.append(session.advance(_progress(self.recipe.train, step, self._progress[step])))
            self.report(Progress("replay", step - start, steps, "steps"))
        weights, state = session.weights(), session.state()
        return Replay(results, weights_root(weights), weights_root(state), weights, state, self.environment)

    def validate(self) -> dict[str, float]:
        """Return the metrics of what the last replay left, as the run measured them on the way."""
        return self._made.session.evaluate()

    def measure(self) -> dict[str, float]:
        """Return the metrics of the run's final weights, measured again on the validation data.

        Raises:
            GatllmError: the weights are missing or don't fit the recipe.
        """
        session = self._made.session
        path = self.run.path / MODEL
        put_weights(session.model, load_weights(path), str(path))
        session.model.eval()
        with fixed_order(session.in_fixed_order), torch.no_grad(), session.precision.autocast():
            return self._made.objective.evaluate(session.model)


def replay(run: Run, start: int, steps: int, *, source: str | None = None, report: Report = silent) -> Replay:
    """Do a part of ``run`` again: `Replayer.replay` once.

    Raises:
        GatllmError: as `Replayer` and `Replayer.replay`.
    """
    with Replayer(run, source=source, report=report) as replayer:
        return replayer.replay(start, steps)


def _progress(train: TrainTable, step: int, logged: float) -> float:
    return (step - 0.5) / train.steps if train.steps is not None else logged


def _checkpoint(run: Run, step: int) -> checkpoint.Checkpoint:
    made = checkpoint.read(Path(run.path) / CHECKPOINTS / checkpoint.folder_name(step))
    named = {(entry["step"], entry["weights_root"], entry["state_root"]) for entry in run.events("checkpoint")}
    if (made.step, made.weights_root, made.state_root) not in named:
        raise VerificationError(f"the log does not name {made.path}")
    return made
