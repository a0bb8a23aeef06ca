"""How far apart honest replays elsewhere lie, and which forgeries a tolerance that lets them pass would accept.

    python benchmarks/proof_tolerance.py [--updates 40] [--out FOLDER]

Trains one small model four times (fp32 and bf16, AdamW and Muon), does every segment again with other numbers of
threads, instruction sets and orders of the rows in a batch, each in a process of its own, and measures how far the
weights lie from the run's, relative to how far the segment moved them, and how far the first update's loss. Then it
measures forged checkpoints in the same way. The tolerance is twice the greatest distance of the honest replays of one
half of the segments; false rejects and false accepts are counted on the other half.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor

LENGTH = 4  # updates a segment
RUNS = tuple((dtype, optimizer) for dtype in ("fp32", "bf16") for optimizer in ("adamw", "muon"))
# What each process is started with; "rows": the rows of a batch in another order.
ENVIRONMENTS: dict[str, dict[str, Any]] = {
    "as trained": {},
    "two threads": {"threads": 2},
    "ATEN default": {"variables": {"ATEN_CPU_CAPABILITY": "default"}},
    "oneDNN SSE41": {"variables": {"ONEDNN_MAX_CPU_ISA": "SSE41"}},
    "MKL COMPATIBLE": {"variables": {"MKL_CBWR": "COMPATIBLE"}},
    "rows turned": {"rows": True},
    "all of these": {
        "threads": 2,
        "rows": True,
        "variables": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE"},
    },
}
# Trained otherwise than the recipe says, each from the honest beginning of a segment.
CHEATS = ("rate off by 0.1 %", "rate off by 1 %", "one update left out", "one batch of one's choice", "no momentum")
NOISES = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)  # relative to how far the segment moved the weights


def recipe(text: Path, dtype: str, optimizer: str, updates: int) -> Any:
    """Return the recipe of one run."""
    from gatllm.training import Recipe

    return Recipe.of(
        {
            "name": "tolerance",
            "objective": "causal",
            "data": {"source": str(text)},
            "tokenizer": {"kind": "characters"},
            "model": {"layers": 2, "heads": 4, "width": 64, "context": 64, "dropout": 0.0},
            "train": {
                "steps": updates,
                "batch": 8,
                "lr": 3e-3,
                "optimizer": optimizer,
                "precision": dtype,
                "threads": 1,
                "evaluations": 1,
                "samples": 0,
                "checkpoints": updates // LENGTH,
                "keep": updates // LENGTH,
            },
        }
    )


def corpus(folder: Path) -> Path:
    """Write some of the standard library's text."""
    import argparse as library

    path = folder / "text.txt"
    text = Path(library.__file__).read_text(encoding="utf-8")
    path.write_text("".join(character for character in text if character.isascii()))
    return path


@contextmanager
def turned(wanted: bool) -> Iterator[None]:
    """Give the rows of every batch in another order: the same mean, summed otherwise."""
    from gatllm.training.session import Session

    batches = Session.batches

    def reordered(self: Session, progress: float) -> list[Any]:
        made = batches(self, progress)
        for batch in made:
            batch.tensors.update({name: tensor.flip(0) for name, tensor in batch.tensors.items()})  # type: ignore[attr-defined]
        return made

    with mock.patch.object(Session, "batches", reordered) if wanted else ExitStack():
        yield


@contextmanager
def cheating(kind: str, start: int) -> Iterator[None]:
    """Train the second update of a segment, or all of it, otherwise than the recipe says."""
    from gatllm.training.session import Session

    update, batches = Session._update, Session.batches

    def changed(self: Session, progress: float, *, skip: bool) -> float:
        if kind == "one update left out" and self.step == start + 1:
            self.optimizer.zero_grad()
            return self.optimizer.set_rates(progress)
        factor = {"rate off by 0.1 %": 1.001, "rate off by 1 %": 1.01}.get(kind, 1.0)
        before = {id(p): p.detach().clone() for p in self.model.parameters()}
        rate = update(self, progress, skip=skip)
        with torch.no_grad():  # a rate that is a factor off moves the weights that factor further
            for parameter in self.model.parameters():
                parameter.add_(parameter - before[id(parameter)], alpha=factor - 1.0)
        return rate

    def chosen(self: Session, progress: float) -> list[Any]:
        if kind == "one batch of one's choice" and self.step == start + 1:
            return [self.objective.batch(10_000 + start, progress)]
        return batches(self, progress)

    with mock.patch.object(Session, "_update", changed), mock.patch.object(Session, "batches", chosen):
        yield


def replayed(
    run: Path, threads: int, *, rows: bool = False, cheat: str = ""
) -> dict[int, tuple[dict[str, Tensor], float]]:
    """Do every segment of a run again: by the update it ends with, its weights and the loss of its first update."""
    from gatllm.training import Replayer, Run

    found = {}
    with Replayer(Run.open(run)) as replayer, turned(rows):
        torch.set_num_threads(threads)
        for start in range(0, max(replayer._progress), LENGTH):
            with cheating(cheat, start) if cheat else ExitStack():
                again = (_forgetful if cheat == "no momentum" else Replayer.replay)(replayer, start, LENGTH)
            weights = {name: tensor.detach().clone() for name, tensor in again.weights.items()}
            found[start + LENGTH] = weights, again.steps[0].loss
    return found


def _forgetful(replayer: Any, start: int, updates: int) -> Any:
    """Replay a segment with the state of its checkpoint lost: with a fresh optimizer."""
    from gatllm.training.session import Session

    load = Session.load

    def forget(self: Session, weights: Any, state: Any, what: str) -> None:
        zeroed = {
            name: torch.zeros_like(tensor) if tensor.is_floating_point() and "step" not in name else tensor
            for name, tensor in state.items()
        }
        load(self, weights, zeroed, what)

    with mock.patch.object(Session, "load", forget):
        return replayer.replay(start, updates)


def keep(path: Path, ends: Mapping[int, Mapping[str, Tensor]]) -> None:
    """Write the weights at the ends of segments, by update."""
    from gatllm.models import save_weights

    save_weights(path, {f"{step}/{name}": tensor for step, weights in ends.items() for name, tensor in weights.items()})


def kept(path: Path) -> dict[int, dict[str, Tensor]]:
    """Return what `keep` wrote."""
    from gatllm.models import load_weights

    ends: dict[int, dict[str, Tensor]] = {}
    for key, tensor in load_weights(path).items():
        step, _, name = key.partition("/")
        ends.setdefault(int(step), {})[name] = tensor
    return ends


def worker(folder: Path, name: str) -> None:
    """Replay all runs in this process's environment, write the weights of each segment's end."""
    setting = ENVIRONMENTS[name]
    losses = {}
    for dtype, optimizer in RUNS:
        run = f"{dtype}-{optimizer}"
        found = replayed(folder / run, setting.get("threads", 1), rows=setting.get("rows", False))
        keep(folder / f"{run}-{name}.safetensors", {step: weights for step, (weights, _) in found.items()})
        losses[run] = {step: loss for step, (_, loss) in found.items()}
    print(json.dumps(losses))


def distance(one: Mapping[str, Tensor], other: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> float:
    """Return how far two ends lie apart, relative to how far the segment moved the weights (to the second)."""
    apart = sum(float((one[name].double() - other[name].double()).square().sum()) for name in other)
    moved = sum(float((other[name].double() - before[name].double()).square().sum()) for name in other)
    return float((apart / moved) ** 0.5)


def started(folder: Path, name: str) -> dict[str, dict[str, float]]:
    """Run `worker` in a process with an environment's variables; return the losses of first updates."""
    variables = ENVIRONMENTS[name].get("variables", {})
    command = [sys.executable, __file__, "--worker", name, "--out", str(folder)]
    done = subprocess.run(command, env={**os.environ, **variables}, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def honest_ends(run: Path) -> dict[int, dict[str, Tensor]]:
    """Return the weights of a run's own checkpoints; 0 holds the initial ones."""
    from gatllm.models import load_weights
    from gatllm.training import Replayer, Run

    with Replayer(Run.open(run)) as replayer:
        ends = {0: {name: tensor.detach().clone() for name, tensor in replayer._made.session.weights().items()}}
    for folder in sorted((run / "checkpoints").iterdir()):
        ends[int(folder.name.removeprefix("step-"))] = load_weights(folder / "model.safetensors")
    return ends


def forged_ends(run: Path, ends: Mapping[int, Mapping[str, Tensor]]) -> Iterator[tuple[str, int, Mapping[str, Tensor]]]:
    """Yield forged weights in the place of each checkpoint: how they were made, and which."""
    steps = sorted(ends)[1:]
    for cheat in CHEATS:
        for step, (weights, _) in replayed(run, 1, cheat=cheat).items():
            if cheat != "no momentum" or step > LENGTH:  # there is none to lose at the beginning
                yield cheat, step, weights
    for before, step, after in zip([0, *steps], steps, steps[1:], strict=False):
        yield "between two others", step, {n: (ends[before][n] + ends[after][n]) / 2 for n in ends[step]}
    generator = torch.Generator().manual_seed(1)
    for scale in NOISES:
        for before, step in zip([0, *steps], steps, strict=False):
            yield f"noise of {scale:.0e}", step, noisy(ends[before], ends[step], scale, generator)


def noisy(
    before: Mapping[str, Tensor], end: Mapping[str, Tensor], scale: float, generator: torch.Generator
) -> dict[str, Tensor]:
    """Return ``end`` with noise of ``scale`` times what the segment moved."""
    moved = sum(float((end[name] - before[name]).double().square().sum()) for name in end) ** 0.5
    drawn = {name: torch.randn(tensor.shape, generator=generator) for name, tensor in end.items()}
    norm = sum(float(tensor.double().square().sum()) for tensor in drawn.values()) ** 0.5
    return {name: tensor + drawn[name] * (scale * moved / norm) for name, tensor in end.items()}


def measured(folder: Path, updates: int) -> dict[str, Any]:
    """Train, replay everywhere, forge, and count; print a table for each run."""
    from gatllm.training import train

    text = corpus(folder)
    for dtype, optimizer in RUNS:
        train(recipe(text, dtype, optimizer, updates), folder / f"{dtype}-{optimizer}")
    losses = {name: started(folder, name) for name in ENVIRONMENTS}
    report: dict[str, Any] = {}
    for dtype, optimizer in RUNS:
        run = f"{dtype}-{optimizer}"
        ends = honest_ends(folder / run)
        begins = dict(zip(sorted(ends)[1:], sorted(ends), strict=False))
        replays = {name: kept(folder / f"{run}-{name}.safetensors") for name in ENVIRONMENTS}
        apart = {
            name: {step: distance(again[step], ends[step], ends[begins[step]]) for step in begins}
            for name, again in replays.items()
        }
        first = losses["as trained"][run]
        off = {
            name: max(abs(found[run][step] - first[step]) / abs(first[step]) for step in first)
            for name, found in losses.items()
        }
        report[run] = judged(folder / run, ends, begins, replays, apart) | {"loss off by": off}
        show(run, report[run])
    return report


def judged(run: Path, ends: Any, begins: Any, replays: Any, apart: dict[str, dict[int, float]]) -> dict[str, Any]:
    """Choose the tolerance on one half of the segments, and count on the other what it accepts and rejects."""
    steps = sorted(begins)
    tolerance = 2 * max(found[step] for found in apart.values() for step in steps[::2])
    held = set(steps[1::2])
    honest = [found[step] for found in apart.values() for step in held]
    accepted: dict[str, list[bool]] = {}
    for kind, step, forged in forged_ends(run, ends):
        if step in held:
            for again in replays.values():  # whichever machine verifies
                lies = distance(again[step], forged, ends[begins[step]])
                accepted.setdefault(kind, []).append(lies <= tolerance)
    return {
        "distance": {name: max(found.values()) for name, found in apart.items()},
        "tolerance": tolerance,
        "false rejects": sum(value > tolerance for value in honest) / len(honest),
        "false accepts": {kind: sum(found) / len(found) for kind, found in accepted.items()},
        "cases": {kind: len(found) for kind, found in accepted.items()},
    }


def show(run: str, found: Mapping[str, Any]) -> None:
    """Print one run's table."""
    print(f"\n{run}: tolerance {found['tolerance']:.1e}, false rejects {found['false rejects']:.0%}")
    for name, value in found["distance"].items():
        print(f"  {name:<28} weights off by {value:.1e}, first loss by {found['loss off by'][name]:.1e}")
    for kind, share in found["false accepts"].items():
        print(f"  {kind:<28} accepted {share:>5.0%} of {found['cases'][kind]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=40)
    parser.add_argument("--out", type=Path, help="keep runs and replays here")
    parser.add_argument("--worker", choices=list(ENVIRONMENTS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.out, options.worker)
        return
    with ExitStack() as stack:
        folder = options.out or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        print(json.dumps(measured(folder, options.updates)))


if __name__ == "__main__":
    main()
