"""Doing sampled parts of a training run again, and holding the result against log and checkpoints.

In the same numerical environment only equality to the bit counts. Elsewhere rounding differs, and the distance between
the replayed and the proven weights is held against a tolerance; that is a weaker verdict and has another name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatllm.errors import GatllmError
from gatllm.progress import Report, silent
from gatllm.proof.verdict import Item, Verdict

if TYPE_CHECKING:
    from torch import Tensor

    from gatllm.training import Replay, Replayer, Run

# Relative L2 distance of fp32 weights. Rounding alone (another number of threads) gave 6e-9 over four updates, a
# learning rate off by 0.1 % gave 1e-6: the tolerance lies between.
TOLERANCE = 1e-7
# Rounding differences grow from update to update; beyond this many a distance says nothing.
TOLERANT_STEPS = 10


@dataclass(frozen=True, slots=True)
class Segment:
    """The updates from one checkpoint (0: from initialisation) to the next one that is kept."""

    start: int
    stop: int

    @property
    def steps(self) -> int:
        """How many updates."""
        return self.stop - self.start


def segments_of(run: Run) -> list[Segment]:
    """Return the segments that can be replayed: between initialisation and the kept checkpoints, in order."""
    logged = {entry["step"] for entry in run.events("checkpoint")}
    kept = sorted(step for step in logged if (run.path / "checkpoints" / f"step-{step:08d}").is_dir())
    return [Segment(start, stop) for start, stop in zip([0, *kept], kept, strict=False)]


def draw(segments: Sequence[Segment], count: int, seed: str, log_hash: str) -> list[Segment]:
    """Return ``count`` different segments, drawn by ``seed`` and the head of the log.

    The seed should be something that nobody knew when the run was registered, such as the hash of a later block; then
    ``count`` draws catch a forged fraction f of the segments with probability of at least 1 - (1 - f)**count.
    """

    def rank(segment: Segment) -> bytes:
        return hashlib.sha256(f"{seed}/{log_hash}/{segment.start}".encode()).digest()

    return sorted(sorted(segments, key=rank)[:count], key=lambda segment: segment.start)


def replay_segment(replayer: Replayer, segment: Segment) -> Item:
    """Do one segment again and judge it."""
    name = f"replay {segment.start} to {segment.stop}"
    run = replayer.run
    try:
        again = replayer.replay(segment.start, segment.steps)
    except GatllmError as error:
        return Item(name, "failed", error.cause)
    logged = {entry["step"]: entry for entry in run.events("step")}
    roots = {entry["step"]: entry for entry in run.events("checkpoint")}[segment.stop]
    first = next((result.step for result in again.steps if not _equal(result, logged[result.step])), None)
    exact = (again.weights_root, again.state_root) == (roots["weights_root"], roots["state_root"])
    if first is None and exact:
        return Item(name, "ok", f"bit-exact: {segment.steps} updates give the logged losses, weights and state")
    where = f"update {first} differs" if first is not None else f"the state after update {segment.stop} differs"
    others = differences(run.start["commitments"]["environment"], again.environment)
    if not others:
        return Item(name, "failed", f"{where}, in the same environment as the run")
    return _tolerant(name, run, segment, again, f"{where}; other {', '.join(others)}")


def _equal(result: Any, entry: Mapping[str, Any]) -> bool:
    return all(getattr(result, key) == entry[key] for key in ("loss", "lr", "grad_norm") if key in entry)


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return in what two numerical environments differ."""
    return sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))


def _tolerant(name: str, run: Run, segment: Segment, again: Replay, why: str) -> Item:
    from gatllm.models import load_weights

    if again.environment["dtype"] != "fp32":
        return Item(name, "skipped", f"{why}: rounding of {again.environment['dtype']} hides what it should show")
    if segment.steps > TOLERANT_STEPS:
        return Item(name, "skipped", f"{why}: {segment.steps} updates are too many to compare within a tolerance")
    path = run.path / "checkpoints" / f"step-{segment.stop:08d}" / "model.safetensors"
    distance = relative_distance(again.weights, load_weights(path))
    if distance <= TOLERANCE:
        return Item(name, "within tolerance", f"{why}; weights {distance:.1e} apart, at most {TOLERANCE:.0e}")
    return Item(name, "failed", f"{why}; weights {distance:.1e} apart, more than {TOLERANCE:.0e}")


def relative_distance(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> float:
    """Return the L2 distance of two sets of weights, as a share of the second's norm."""
    difference = norm = 0.0
    for key, tensor in second.items():
        if tensor.is_floating_point():
            reference = tensor.double()
            difference += float((first[key].double().cpu() - reference).square().sum())
            norm += float(reference.square().sum())
    return (difference / norm) ** 0.5 if norm else difference


def check_final(replayer: Replayer) -> Iterator[Item]:
    """Yield whether the final weights are those of a checkpoint, and whether they measure as the run says."""
    run = replayer.run
    end = run.events("end")[-1]
    logged = {entry["weights_root"] for entry in run.events("checkpoint")}
    if run.recipe.train.ema:
        yield _check_average(run, end["step"])
    elif end["weights_root"] in logged:
        yield Item("final weights", "ok", "those of a logged checkpoint")
    else:
        yield Item("final weights", "failed", "no logged checkpoint has these weights")
    try:
        measured = replayer.measure()
    except GatllmError as error:
        yield Item("metrics", "failed", error.cause)
        return
    said = {key: end["metrics"].get(key) for key in measured}
    wrong = sorted(key for key, value in measured.items() if said[key] != value)
    if not wrong:
        yield Item("metrics", "ok", f"measured again: {_numbers(measured)}")
        return
    others = differences(run.start["commitments"]["environment"], replayer.environment)
    near = all(_near(measured[key], said[key], replayer.environment["dtype"]) for key in wrong)
    detail = f"measured again: {_numbers(measured)}, but the run says {_numbers(said)}"
    yield Item("metrics", "within tolerance" if others and near else "failed", detail)


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


def _near(measured: float, said: object, dtype: str) -> bool:
    margin = 1e-5 if dtype == "fp32" else 1e-2
    return isinstance(said, int | float) and abs(measured - said) <= margin * max(abs(measured), abs(said))


def _numbers(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())


def check_replay(path: Path, **options: Any) -> Iterator[Item]:
    """Yield the verdicts on the drawn segments, the final weights and the metrics (options: see `_replays`)."""
    try:
        yield from _replays(path, **options)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, GatllmError) as error:
        # The log is chained and signed well, but it does not hold what training writes.
        yield Item("replay", "failed", f"the log is not that of a training run ({type(error).__name__}: {error})")


def _replays(
    path: Path,
    *,
    count: int | None,
    seed: str | None,
    log_hash: str,
    source: str | None = None,
    report: Report = silent,
) -> Iterator[Item]:
    # count: how many segments are drawn (None: all of them), by seed and the log's own hash.
    from gatllm.training import Replayer, Run

    run = Run.open(path)
    known = segments_of(run)
    chosen = known if count is None else draw(known, count, seed or "", log_hash)
    total = max((entry["step"] for entry in run.events("step")), default=0)
    if not chosen:
        yield Item("replay", "failed", "the run keeps no checkpoint to replay to")
        return
    try:
        replayer = Replayer(run, source=source, report=report)
    except GatllmError as error:
        yield Item("replay", "failed", error.cause)
        return
    with replayer:
        items = [replay_segment(replayer, segment) for segment in chosen]
        yield from items
        held = [
            segment for segment, item in zip(chosen, items, strict=True) if item.verdict in ("ok", "within tolerance")
        ]
        steps = sum(segment.steps for segment in held)
        by = "all there are" if count is None else "drawn by a given seed" if seed else "drawn by the log's own hash"
        verdicts: list[Verdict] = ["failed", "skipped", "within tolerance", "ok"]
        weakest = next(verdict for verdict in verdicts if any(item.verdict == verdict for item in items))
        yield Item("replay", weakest, f"{steps} of {total} updates hold: {len(held)} of {len(known)} segments ({by})")
        yield from check_final(replayer)
