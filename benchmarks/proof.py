"""What proving costs a training run, and how fast a proof is verified beside the bare hash function.

    python benchmarks/proof.py [--minutes 1.0] [--megabytes 64 256] [--rounds 3]
    python benchmarks/proof.py --attacks
    python benchmarks/proof.py --fixed-order [--rounds 3]

Trains the shape of the Shakespeare recipe on the standard library's own text, adds up the time spent on hashing and
chaining, and proves the run. Then hashes a folder of checkpoints bare (SHA-256, one thread), with `sha256sum`, and by
verifying it. Prints a table and one JSON line. `--fixed-order`: what an update costs in fixed order, beside plain fp32.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import statistics
import subprocess
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from gatllm.errors import GatllmError
from gatllm.models import save_weights, weights_root
from gatllm.proof import Key, load_key, verify, write_proof
from gatllm.records import HashLog, sha256
from gatllm.training import Recipe, train

RECIPE: dict[str, Any] = {
    "name": "proof-benchmark",
    "objective": "causal",
    "tokenizer": {"kind": "characters"},
    "model": {"layers": 4, "heads": 4, "width": 256, "context": 256, "dropout": 0.1},
    "train": {"batch": 16, "lr": 5e-3, "evaluations": 4, "samples": 2},
}


class Clock:
    """Adds up the time spent in functions that exist only for the proof."""

    def __init__(self) -> None:
        self.wall = 0.0
        self.calls = 0
        self._depth = 0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            self._depth += 1
            began = time.perf_counter()
            try:
                return function(*arguments, **keywords)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.wall += time.perf_counter() - began
                    self.calls += 1

        return call


@contextmanager
def watched(clock: Clock) -> Iterator[None]:
    """Time everything that a run without proof would not do: roots, file hashes, chained lines (JSON included)."""
    from gatllm.training import assembly, checkpoint, environment, training

    places = [
        *((assembly, "weights_root"), (assembly, "code"), (environment, "digest")),
        (checkpoint, "weights_root"),
        *((training, "weights_root"), (training, "sha256")),
    ]
    with ExitStack() as stack:
        for module, name in places:
            if hasattr(module, name):
                stack.enter_context(mock.patch.object(module, name, clock.timed(getattr(module, name))))
        append = clock.timed(HashLog.append)
        stack.enter_context(mock.patch.object(HashLog, "append", append))
        yield


def corpus(folder: Path) -> Path:
    """Write the standard library's text, a few megabytes."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    text = "\n".join(file.read_text(encoding="utf-8", errors="ignore") for file in files)
    path = folder / "text.txt"
    path.write_text("".join(character if character.isascii() else "?" for character in text)[:2_000_000])
    return path


def overhead(folder: Path, minutes: float, key: Key) -> dict[str, float]:
    """Train, and return what of the time went into the proof."""
    clock = Clock()
    recipe = Recipe.of({**RECIPE, "data": {"source": str(corpus(folder))}}, {"train.minutes": minutes})
    with watched(clock):
        began = time.perf_counter()
        run = train(recipe, folder / "run")
        total = time.perf_counter() - began
    began = time.perf_counter()
    write_proof(run.path, key)
    signing = time.perf_counter() - began
    return {
        "parameters": run.metrics["parameters"],
        "steps": run.metrics["steps"],
        "checkpoints": len(run.events("checkpoint")),
        "training_s": total,
        "hashing_s": clock.wall,
        "writing_proof_s": signing,
        "overhead_percent": 100 * (clock.wall + signing) / total,
    }


def large_run(folder: Path, megabytes: int, key: Key) -> Path:
    """Write a proven run whose checkpoints hold ``megabytes`` of weights."""
    run = folder / "large"
    run.mkdir()
    (run / "recipe.toml").write_text("seed = 1\n")
    (run / "tokenizer.json").write_text("{}")
    weights = {f"layer.{number}": torch.randn(1 << 18) for number in range(max(1, megabytes // 4))}
    with HashLog(run / "log.jsonl") as log:
        log.append("start", commitments={"data_root": sha256(b""), "init_root": sha256(b"")})
        root = weights_root(weights)
        for step in (1, 2, 3):
            log.append("step", step=step, loss=1.0, lr=1e-3, grad_norm=1.0, tokens=1)
            target = run / "checkpoints" / f"step-{step:08d}"
            target.mkdir(parents=True)
            save_weights(target / "model.safetensors", weights)
            log.append("checkpoint", step=step, weights_root=root)
        save_weights(run / "model.safetensors", weights)
        log.append("end", step=3, weights_root=root, metrics={"loss": 1.0})
    write_proof(run, key)
    return run


def bare(run: Path) -> None:
    for path in sorted(run.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                hashlib.file_digest(file, "sha256")


def speeds(run: Path, rounds: int) -> dict[str, float]:
    """Return GB/s of each way, the median of rounds in which all ways take turns."""
    size = sum(path.stat().st_size for path in run.rglob("*") if path.is_file())
    files = [str(path) for path in run.rglob("*") if path.is_file()]

    def verified() -> None:
        assert not verify(run).failures

    ways: dict[str, Callable[[], object]] = {"sha256, one thread": lambda: bare(run), "proof verify": verified}
    if shutil.which("sha256sum"):
        ways["sha256sum"] = lambda: subprocess.run(["sha256sum", *files], check=True, stdout=subprocess.DEVNULL)
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):  # the first round fills the page cache
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - began)
    ratios = [a / b for a, b in zip(taken["sha256, one thread"][1:], taken["proof verify"][1:], strict=True)]
    return {name: size / 1e9 / statistics.median(times[1:]) for name, times in taken.items()} | {
        "ratio": statistics.median(ratios)
    }


def attacks() -> int:
    """Print what every tampering and forgery gives at each depth; return how many pass as more than they are."""
    from proof_attacks import DEPTHS, passes_as_more, table

    print(f"{'attack':<52} {'hashes':<14} {'replay':<14} {'full':<14} first named at full depth")
    counts: dict[str, Counter[str]] = {depth: Counter() for depth in DEPTHS}
    wrong = []
    with tempfile.TemporaryDirectory() as temporary:
        for case, results in table(Path(temporary)):
            words = {}
            for depth, result in results.items():
                words[depth] = "refused" if isinstance(result, GatllmError) else result.outcome
                counts[depth][words[depth]] += 1
                if trouble := passes_as_more(result, case, depth):
                    wrong.append({"attack": case.name, "depth": depth, "trouble": trouble})
            full = results["full"]
            named = "" if isinstance(full, GatllmError) or not full.failures else full.failures[0].name
            print(f"{case.name:<52} " + " ".join(f"{words[depth]:<14}" for depth in DEPTHS) + " " + repr(named)[1:-1])
    print(f"{'depth':<10} {'failed':>8} {'refused':>8} {'inconclusive':>13} {'verified':>9}")
    for depth, count in counts.items():
        columns = zip(("failed", "refused", "inconclusive", "verified"), (8, 8, 13, 9), strict=True)
        print(f"{depth:<10} " + " ".join(f"{count[word]:>{width}}" for word, width in columns))
    print(f"{sum(counts['full'].values())} attacks, {len(wrong)} pass as more than they are")
    print(json.dumps({"attacks": {depth: dict(count) for depth, count in counts.items()}, "wrong": wrong}))
    return len(wrong)


def updates(folder: Path, *, ordered: bool) -> tuple[list[float], list[float]]:
    """Train a few updates, on one thread; return seconds and processor seconds of each but the first."""
    from gatllm.training.session import Session

    wall: list[float] = []
    processor: list[float] = []
    advance = Session.advance

    def timed(self: Session, progress: float) -> Any:
        began = time.perf_counter(), time.process_time()
        result = advance(self, progress)
        wall.append(time.perf_counter() - began[0])
        processor.append(time.process_time() - began[1])
        return result

    settings = {"steps": 4, "threads": 1, "precision": "fp32", "evaluations": 1, "samples": 0, "checkpoints": 1}
    recipe = Recipe.of(
        {**RECIPE, "data": {"source": str(folder / "text.txt")}, "train": {**RECIPE["train"], **settings}},
        {"determinism.fixed_order": True} if ordered else {},
    )
    target = Path(tempfile.mkdtemp(dir=folder))
    with mock.patch.object(Session, "advance", timed):
        train(recipe, target / "run")
    shutil.rmtree(target)
    return wall[-3:], processor[-3:]  # what tries out precision and speed comes before


def order(rounds: int) -> None:
    """Print what an update costs in fixed order and in plain fp32, taking turns."""
    taken: dict[str, tuple[list[float], list[float]]] = {"fp32": ([], []), "fixed order": ([], [])}
    ratios = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        text = corpus(folder)
        text.write_text(text.read_text()[:100_000])  # a short validation
        for _ in range(rounds):
            medians = []
            for name, found in taken.items():
                wall, processor = updates(folder, ordered=name != "fp32")
                found[0].extend(wall)
                found[1].extend(processor)
                medians.append(statistics.median(processor))
            ratios.append(medians[1] / medians[0])
    for name, (wall, processor) in taken.items():
        print(
            f"{name:<12} {statistics.median(processor):.2f} s of processor time an update"
            f" ({min(processor):.2f} to {max(processor):.2f}), {statistics.median(wall):.2f} s"
        )
    print(f"ratio of processor time {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    print(json.dumps({"ratios": ratios, "taken": taken}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[256], help="of weights in each of four files")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--attacks", action="store_true", help="the table of tamperings and forgeries, nothing else")
    parser.add_argument("--fixed-order", action="store_true", help="what an update costs in fixed order, nothing else")
    options = parser.parse_args()
    if options.fixed_order:
        order(options.rounds)
        return
    if options.attacks:
        raise SystemExit(1 if attacks() else 0)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        key = load_key(folder / "trainer.key")
        cost = overhead(folder, options.minutes, key)
        speed = {}
        for megabytes in options.megabytes:
            run = large_run(folder, megabytes, key)
            speed[megabytes] = speeds(run, options.rounds)
            shutil.rmtree(run)
    print(f"{'what':<28} {'value':>12}  target")
    print(f"{'training, s':<28} {cost['training_s']:>12.1f}")
    print(f"{'hashing and chaining, s':<28} {cost['hashing_s']:>12.3f}")
    print(f"{'writing the proof, s':<28} {cost['writing_proof_s']:>12.3f}")
    print(f"{'overhead, % of training':<28} {cost['overhead_percent']:>12.2f}  <= 1")
    for megabytes, measured in speed.items():
        print(f"four files of {megabytes} MB")
        for name, value in measured.items():
            if name != "ratio":
                print(f"  {name + ', GB/s':<26} {value:>12.2f}")
        print(f"  {'verify / sha256':<26} {measured['ratio']:>12.2f}  >= 0.8")
    print(json.dumps({"overhead": cost, "speed": speed}))


if __name__ == "__main__":
    main()
