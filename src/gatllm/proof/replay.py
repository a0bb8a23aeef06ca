"""Doing a training run again, in part or whole, and holding the result against log and checkpoints.

Only equality to the bit counts. A run in fixed order gives the same bits everywhere, others in the same numerical
environment. That a run was trained elsewhere is its trainer's word: where a difference could be rounding, it makes the
verdict "can't tell" instead of "failed", and never a pass.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gatllm.errors import GatllmError, VerificationError
from gatllm.progress import Report, silent
from gatllm.proof.history import History, Segment, chosen_step, read_history, stopping_step
from gatllm.proof.verdict import Item, Verdict, Verification
from gatllm.records import read_log

if TYPE_CHECKING:
    from gatllm.training import Replay, Replayer, Run

# How far the loss of an update from the same weights may be from the logged one before rounding on another machine is
# no explanation, relative: 300 times what was seen in fp32. In half precision one rounding is 0.4 % and how they add up
# depends on the model: no limit is known there, so a loss accuses nobody (and a difference passes nowhere).
_GROSS = {"fp32": 1e-4}
_RATE = 1e-9  # rates come from the mathematical library of the system
_DRAWS = 2  # updates drawn where no number of them is asked for


def draw(segments: Sequence[Segment], seed: str, log_hash: str, at_least: int | Literal["all"] | None) -> list[Segment]:
    """Return the segments to do again, in order: the first, the last, and those of updates drawn by ``seed``.

    Two updates are drawn, or as many as it takes for the segments to hold ``at_least`` so many. The seed must be
    something that nobody knew when the run was signed, such as the hash of a later block; then q draws miss a forged
    fraction f of the updates with the probability (1 - f)**q. Segments that can't be done again are drawn like others:
    who keeps no checkpoint of a forged part gains nothing.
    """
    total = segments[-1].stop
    wanted = total if at_least == "all" else at_least or 0
    chosen = {segments[0], segments[-1]}
    turn = 0
    while len(chosen) < len(segments) and (turn < _DRAWS or sum(segment.updates for segment in chosen) < wanted):
        drawn = int.from_bytes(hashlib.sha256(f"{seed}/{log_hash}/{turn}".encode()).digest()) % total + 1
        chosen.add(next(segment for segment in segments if segment.start < drawn <= segment.stop))
        turn += 1
    return sorted(chosen, key=lambda segment: segment.start)


class _Judge:
    """Holds what a replay gives against one run's log and checkpoints."""

    def __init__(self, replayer: Replayer, history: History) -> None:
        self.replayer, self.history = replayer, history
        self.run: Run = replayer.run
        before = self.run.start["commitments"]
        self.others = differences(before["environment"], replayer.environment)
        if before["code"] != replayer.code:
            self.others.append("code")
        self.reached = -1  # the update up to which everything was equal, without a gap

    def segment(self, segment: Segment) -> Item:
        """Do one segment again and judge it."""
        name = f"replay {segment.start} to {segment.stop}"
        going_on = self.reached == segment.start
        self.reached = -1
        if not (segment.held or going_on):
            return Item(
                name, "skipped", f"the checkpoint of update {segment.start} was not kept: it can't be done again"
            )
        if not segment.ends:
            return Item(name, "skipped", "the log names no checkpoint that it leads to")
        try:
            again = self.replayer.replay(segment.start, segment.updates, going_on=going_on)
        except GatllmError as error:
            return Item(name, "failed", error.cause)
        roots = self.history.checkpoints[segment.stop]
        first = next((r.step for r in again.steps if not _equal(r, self.history.steps[r.step])), None)
        equal = (again.weights_root, again.state_root) == (roots["weights_root"], roots["state_root"])
        validated = self._validation(segment.stop)
        if first is None and equal and not validated:
            self.reached = segment.stop
            what = "losses, rates, weights and state"
            return Item(name, "ok", f"bit-exact: {segment.updates} updates give the logged {what}")
        where = (
            f"update {first} differs"
            if first is not None
            else f"the state after update {segment.stop} differs"
            if not equal
            else f"the validation after update {segment.stop} differs"
        )
        return self._elsewhere(name, again, where)

    def _validation(self, step: int) -> dict[str, tuple[float, object]]:
        """Return what of the validation logged at ``step`` is measured otherwise: by name, (now, then)."""
        logged = self.history.validations.get(step)
        if logged is None:
            return {}
        measured = self.replayer.validate()
        return {key: (value, logged.get(key)) for key, value in measured.items() if logged.get(key) != value}

    def _elsewhere(self, name: str, again: Replay, where: str) -> Item:
        """Judge what differs: a fault, or perhaps only the rounding of another machine."""
        if not self.others:
            return Item(name, "failed", f"{where}, in the same environment as the run")
        why = f"{where}; the run claims other {', '.join(self.others)}"
        if "code" in self.others:
            return Item(name, "skipped", f"{why}: what differs may be the program")
        if self.run.recipe.determinism and self.run.recipe.determinism.fixed_order:
            return Item(name, "failed", f"{why}, but in fixed order every machine gives the same bits")
        for result in again.steps:
            if gross := self._gross(result, first=result is again.steps[0]):
                return Item(name, "failed", f"{why}, but no rounding gives update {result.step} another {gross}")
        return Item(name, "skipped", f"{why}: rounding may explain it; only determinism.fixed_order decides elsewhere")

    def _gross(self, result: Any, *, first: bool) -> str:
        """Return what of an update no other machine would give; only the first begins with the very same weights."""
        entry = self.history.steps[result.step]
        if not _near(result.lr, entry["lr"], _RATE):
            return "rate"
        if result.tokens != entry["tokens"]:
            return "number of tokens"
        return "loss" if first and not self._explained(result.loss, entry["loss"]) else ""

    def _explained(self, measured: float, said: object) -> bool:
        """Tell whether rounding elsewhere may be why a number, computed from the very same weights, is another."""
        margin = _GROSS.get(self.replayer.environment["dtype"])
        return _near(measured, said, math.inf if margin is None else margin)

    def final(self) -> Iterator[Item]:
        """Yield whether the final weights are those of their checkpoint, and whether they measure as the run says."""
        end, train = self.history.end, self.run.recipe.train
        step = chosen_step(self.history, train)
        if end["step"] != step:
            yield Item("final weights", "failed", f"of update {end['step']}, but the recipe chooses that of {step}")
        elif train.ema:
            yield _check_average(self.run, step)
        elif end["weights_root"] == self.history.checkpoints[step]["weights_root"]:
            yield Item("final weights", "ok", f"those of the checkpoint logged at update {step}")
        else:
            yield Item("final weights", "failed", f"not those of the checkpoint logged at update {step}")
        yield from self._metrics(end["metrics"])

    def _metrics(self, said: Mapping[str, Any]) -> Iterator[Item]:
        try:
            measured: dict[str, float] = self.replayer.measure()
        except GatllmError as error:
            yield Item("metrics", "failed", error.cause)
            return
        tokens = sum(int(entry["tokens"]) for entry in self.history.steps.values())
        counted = {"steps": self.history.updates, "tokens": tokens, "parameters": self.replayer.parameters}
        if wrong := sorted(key for key, value in counted.items() if said.get(key, value) != value):
            yield Item("metrics", "failed", f"the run says another number of {', '.join(wrong)}")
        if rest := sorted(said.keys() - measured.keys() - counted.keys()):
            yield Item("metrics", "claimed", f"not measured again: {_numbers({key: said[key] for key in rest})}")
        if all(said.get(key) == value for key, value in measured.items()):
            yield Item("metrics", "ok", f"measured again: {_numbers(measured)}")
            return
        near = all(self._explained(value, said.get(key)) for key, value in measured.items())
        detail = (
            f"measured again: {_numbers(measured)}, but the run says {_numbers({k: said.get(k) for k in measured})}"
        )
        yield Item("metrics", "skipped" if self.others and near else "failed", detail)


def _equal(result: Any, entry: Mapping[str, Any]) -> bool:
    logged = (entry["loss"], entry["lr"], entry["grad_norm"], entry.get("parts", {}), entry["tokens"])
    parts = {name: value for name, value in result.parts.items() if name != "loss"}
    return bool((result.loss, result.lr, result.grad_norm, parts, result.tokens) == logged)


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return in what two numerical environments differ."""
    return sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))


def _check_average(run: Run, step: int) -> Item:
    """Hold averaged final weights against the average in the state of their checkpoint, which the replay gave too."""
    import torch

    from gatllm.models import load_weights

    folder = run.path / "checkpoints" / f"step-{step:08d}"
    if not folder.is_dir():
        return Item("final weights", "skipped", f"an average after update {step}, whose checkpoint was not kept")
    state, weights = load_weights(folder / "state.safetensors"), load_weights(folder / "model.safetensors")
    # A tensor that the model shares under two names is averaged under one of them.
    averages = {weights[name].data_ptr(): state[f"average/{name}"] for name in weights if f"average/{name}" in state}
    expected = {name: averages.get(tensor.data_ptr(), tensor) for name, tensor in weights.items()}
    final = load_weights(run.path / "model.safetensors")
    if final.keys() == expected.keys() and all(torch.equal(final[name], expected[name]) for name in final):
        return Item("final weights", "ok", f"the average in the checkpoint of update {step}")
    return Item("final weights", "failed", f"not the average in the checkpoint of update {step}")


def _near(measured: object, said: object, margin: float) -> bool:
    if measured is None or said is None:
        return measured is said
    if not (isinstance(measured, int | float) and isinstance(said, int | float)) or isinstance(said, bool):
        return False
    return measured == said or abs(measured - said) <= margin * max(abs(measured), abs(said))


def _numbers(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())


def check_replay(path: Path, result: Verification, **options: Any) -> Iterator[Item]:
    """Yield the verdicts on the segments to do again, the final weights and the metrics (options: see `_replays`).

    ``result`` is told how many updates were chosen and done again.
    """
    try:
        yield from _replays(path, result, **options)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, GatllmError) as error:
        # The log is chained and signed well, but it does not hold what training writes.
        yield Item("replay", "failed", f"the log is not that of a training run ({type(error).__name__}: {error})")


def _replays(
    path: Path,
    result: Verification,
    *,
    sample: Mapping[str, Any] | None,
    log_hash: str,
    source: str | None = None,
    report: Report = silent,
) -> Iterator[Item]:
    # sample: seed and number of the updates to draw (None: everything is done again).
    from gatllm.training import Replayer, Run

    run = Run.open(path)
    history = read_history(read_log(path / "log.jsonl"))
    if not history.updates or not history.checkpoints:
        yield Item("replay", "failed", "the log tells of no update, or of no checkpoint to replay to")
        return
    _check_budget(run, history)
    kept = {step for step in history.checkpoints if (path / "checkpoints" / f"step-{step:08d}").is_dir()}
    known = history.segments(kept)
    chosen = known if sample is None else draw(known, log_hash=log_hash, **sample)
    result.chosen = sum(segment.updates for segment in chosen)
    try:
        replayer = Replayer(run, source=source, report=report)
    except VerificationError as error:
        yield Item("replay", "failed", error.cause)
        return
    except GatllmError as error:  # what it takes is not here: no reason to accuse, none to pass
        yield Item("replay", "skipped", str(error))
        return
    with replayer:
        judge = _Judge(replayer, history)
        verdicts: set[Verdict] = set()
        for segment in chosen:
            item = judge.segment(segment)
            verdicts.add(item.verdict)
            if item.verdict == "ok":
                result.redone += segment.updates
            yield item
        order: list[Verdict] = ["failed", "skipped", "ok"]
        by = "all there are" if sample is None else "the first, the last, and those of updates drawn by the seed"
        detail = f"{result.redone} of {history.updates} updates hold; {len(chosen)} of {len(known)} segments"
        yield Item("replay", next(verdict for verdict in order if verdict in verdicts), f"{detail} ({by})")
        yield from judge.final()


def _check_budget(run: Run, history: History) -> None:
    """Refuse a log of more updates than its recipe has, or of fewer without what ends a run early.

    Raises:
        VerificationError: the number of updates is not what recipe and validations give.
    """
    train = run.recipe.train
    end = stopping_step(history, train)
    if end is not None and history.updates > end:
        raise VerificationError(f"{history.updates} updates, but the validation after update {end} ends the run")
    if train.steps is None or history.updates == train.steps:
        return
    if history.updates > train.steps or history.updates != end:
        raise VerificationError(f"{history.updates} updates, but the recipe has {train.steps}")
