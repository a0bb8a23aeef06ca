"""The one training loop: budget, log, evaluations, samples, checkpoints, early stopping, a clean end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from gatllm.errors import GatllmError
from gatllm.progress import Progress, Report
from gatllm.records import HashLog
from gatllm.training import checkpoint
from gatllm.training.budget import Budget, clock, crossed
from gatllm.training.interrupt import Interrupt
from gatllm.training.memory import enough_memory
from gatllm.training.run import CHECKPOINTS, Run
from gatllm.training.session import NotFiniteError, Session, StepResult

_EVALUATION_SHARE = 0.15  # of the time since the last evaluation that the next one may cost

EventCallback = Callable[[str, Mapping[str, Any]], None]


class Loop:
    """Drives a session to the end of its budget and writes down what happens."""

    def __init__(
        self, run: Run, session: Session, log: HashLog | None, budget: Budget, report: Report, observe: EventCallback
    ) -> None:
        self.run, self.session, self.log, self.budget = run, session, log, budget
        self.report, self.observe = report, observe
        self.train = session.recipe.train
        self.best: tuple[float, int] | None = None  # (rank by the recipe's measure, step)
        self.reached = False  # the validation has all that the recipe trains for
        self.evaluations_since_best = 0  # evaluations since the best one
        self.saved: set[int] = set()
        self.costs: dict[str, tuple[float, float]] = {}  # seconds that the last evaluation took, and when it ended
        self.measured: tuple[int, dict[str, float]] | None = None  # step and metrics of the last evaluation
        for entry in run.events("validation", "checkpoint") if session.step else []:
            if entry["event"] == "checkpoint":
                self.saved.add(entry["step"])
            else:
                self._update_best(entry, entry["step"])

    def execute(self, interrupt: Interrupt) -> None:
        """Train until the budget is spent, patience ends or the user interrupts.

        Raises:
            GatllmError: the loss is not finite, or memory ran out.
            KeyboardInterrupt: the user stopped the run; a checkpoint is written.
        """
        session, budget, team = self.session, self.budget, self.session.team
        fraction = team.agree(budget.after(session.step))
        while fraction < 1.0 and not self._should_stop():
            before, fraction = fraction, self._step()
            due = fraction >= 1.0
            if due or (crossed(self.train.evaluations, before, fraction) and self._affordable("validation")):
                self._evaluate()
            if (
                self.train.samples
                and crossed(self.train.samples, before, fraction)
                and (due or self._affordable("sample"))
            ):
                self._sample()
            if team.any(interrupt.asked):
                self._checkpoint()
                raise KeyboardInterrupt
            due = due or self.reached
            improved = self.train.select == "best" and self.best is not None and self.best[1] == session.step
            if due or improved or crossed(self.train.checkpoints, before, fraction):
                self._checkpoint()
        if session.step not in self.saved:
            self._checkpoint()

    def _step(self) -> float:
        session, team = self.session, self.session.team
        began = time.perf_counter()
        progress = team.agree(self.budget.during(session.step))
        try:
            with enough_memory(session.recipe, f"at step {session.step + 1}"):
                result = session.advance(progress)
        except NotFiniteError as error:
            raise self._not_finite(error) from None
        seconds = time.perf_counter() - began
        self._write("step", _step_fields(result, progress, seconds))
        fraction = team.agree(self.budget.after(session.step))
        self._report_progress(result, result.tokens / seconds)
        return fraction

    def _report_progress(self, result: StepResult, speed: float) -> None:
        name = "validation" if self.train.measure == "loss" else self.train.measure
        best = f" · best {name} {abs(self.best[0]):.4f}" if self.best else ""
        left = clock(max(0.0, self.budget.left(result.step)))
        note = f"loss {result.loss:.4f}{best} · {speed:,.0f} tokens/s · {left} left"
        if self.train.steps is not None:
            self.report(Progress("training", result.step, self.train.steps, "steps", note))
        else:
            total = 60.0 * (self.train.minutes or 0.0)
            self.report(Progress("training", min(round(self.budget.seconds, 1), total), total, "s", note))

    def _affordable(self, what: str) -> bool:
        """Tell whether there is time for an evaluation: under a time budget they must not eat up the training."""
        cost, until = self.costs.get(what, (0.0, 0.0))
        affordable = self.train.steps is not None or cost <= _EVALUATION_SHARE * (self.budget.seconds - until)
        return bool(self.session.team.agree(affordable))

    @contextmanager
    def _costing(self, what: str) -> Iterator[None]:
        began = self.budget.seconds
        yield
        self.costs[what] = (self.budget.seconds - began, self.budget.seconds)

    def _evaluate(self) -> None:
        with self._costing("validation"), enough_memory(self.session.recipe, "in the validation"):
            metrics = self.session.evaluate()
        if infinite := [f"{name} {value}" for name, value in metrics.items() if not math.isfinite(value)]:
            # The last update left no finite weights: found before a checkpoint keeps them.
            raise self._failed(f"the validation is not finite after step {self.session.step} ({', '.join(infinite)})")
        self.measured = (self.session.step, metrics)
        self._write("validation", {"step": self.session.step, "seconds": round(self.budget.seconds, 3), **metrics})
        self._update_best(metrics, self.session.step)

    def _update_best(self, metrics: Mapping[str, Any], step: int) -> None:
        rank = self.train.rank(metrics)
        if self.best is None or rank < self.best[0]:
            self.best, self.evaluations_since_best = (rank, step), 0
        else:
            self.evaluations_since_best += 1
        self.reached = self.train.reached(metrics)

    def _should_stop(self) -> bool:
        """Tell whether to stop before the budget is spent: all is reached, or nothing got better for long."""
        return self.reached or (bool(self.train.patience) and self.evaluations_since_best >= self.train.patience)

    def _sample(self) -> None:
        with self._costing("sample"):
            text = self.session.sample()
        self._write("sample", {"step": self.session.step, "text": text})

    def _checkpoint(self) -> None:
        session = self.session
        if session.step in self.saved:
            return
        weights, state = session.weights(), session.state()
        self.saved.add(session.step)
        if session.team.leads:
            folder = self.run.path / CHECKPOINTS
            made = checkpoint.save(folder, session.step, self.budget.seconds, weights, state)
            roots = {"weights_root": made.weights_root, "state_root": made.state_root}
            self._write("checkpoint", {"step": made.step, **roots}, durable=True)
            best = [self.best[1]] if self.best else []
            checkpoint.prune(folder, self.train.keep, best)
        session.team.wait()

    def _write(self, event: str, fields: Mapping[str, Any], *, durable: bool = False) -> None:
        if self.log is not None:
            self.log.append(event, durable=durable, **fields)
            self.observe(event, fields)

    def _not_finite(self, error: NotFiniteError) -> GatllmError:
        session = self.session
        first = session.step * self.train.accumulate * session.team.size
        last = first + self.train.accumulate * session.team.size - 1
        passes = f"pass {first}" if first == last else f"passes {first} to {last}"
        return self._failed(f"the loss is not finite at step {session.step + 1} ({passes}: {error})", [first, last])

    def _failed(self, reason: str, passes: Sequence[int] = ()) -> GatllmError:
        good = max(self.saved, default=None)
        where = {"passes": list(passes)} if passes else {}
        self._write("failed", {"step": self.session.step, **where, "reason": reason}, durable=True)
        place = f"{self.run.path / CHECKPOINTS / checkpoint.folder_name(good)}" if good is not None else "none yet"
        return GatllmError(
            f"{reason}; last good checkpoint: {place}",
            "start a new run with a different --out: lower train.lr and train.matrix_lr, set train.clip, or use "
            "train.precision = fp32",
        )


def _step_fields(result: StepResult, progress: float, seconds: float) -> dict[str, Any]:
    parts = {name: value for name, value in result.parts.items() if name != "loss"}
    return {
        "step": result.step,
        "progress": progress,
        "loss": result.loss,
        "lr": result.lr,
        "grad_norm": result.grad_norm,
        "tokens": result.tokens,
        "tokens_per_second": round(result.tokens / seconds, 1),
        **({"parts": parts} if parts else {}),
    }
