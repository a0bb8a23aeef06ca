"""The training runs that the service shows: what they reached, their curves, and whether their proof holds."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gatllm.data import Dataset
from gatllm.errors import GatllmError, VerificationError
from gatllm.proof import Proof, Verification, read_proof, verify
from gatllm.training import Run
from gatllm.training.plots import draw_curves
from gatllm.training.report import summary

_MOST = 200  # runs on the page, the newest first
_LOG = "log.jsonl"
_PROOF = "proof.json"


@dataclass(frozen=True)
class RunView:
    """One run as a page shows it; ``problem`` says why the rest is missing."""

    name: str
    changed: float
    numbers: dict[str, Any] = field(default_factory=dict)
    recipe: str = ""
    validations: tuple[tuple[int, float], ...] = ()  # (update, loss)
    proof: Proof | None = None
    problem: str = ""


class TrainingRuns:
    """The run folders in some folders, and those named themselves."""

    def __init__(self, places: Sequence[Path] = (), datasets: Sequence[Path] = ()) -> None:
        self._places = places
        self._datasets = datasets
        self._verifying = threading.Lock()
        self._verified: dict[str, tuple[tuple[int, ...], Verification]] = {}
        self._drawn: dict[str, tuple[float, bytes]] = {}

    @property
    def place(self) -> Path | None:
        """Where new runs belong: the first folder that is not a run itself."""
        return next((place for place in self._places if not (place / _LOG).is_file()), None)

    def names(self) -> dict[str, Path]:
        """Return the runs that there are by name, the last changed first."""
        found: dict[str, Path] = {}
        for place in self._places:
            logs = [place / _LOG] if (place / _LOG).is_file() else place.glob(f"*/{_LOG}") if place.is_dir() else ()
            found |= {log.parent.name: log.parent for log in logs}
        newest = sorted(found.items(), key=lambda item: (item[1] / _LOG).stat().st_mtime, reverse=True)
        return dict(newest[:_MOST])

    def all(self) -> list[RunView]:
        """Return all runs, the last changed first."""
        return [_view(name, path) for name, path in self.names().items()]

    def get(self, name: str) -> RunView | None:
        """Return one run."""
        path = self.names().get(name)
        return _view(name, path) if path is not None else None

    def curves(self, name: str) -> bytes | None:
        """Return the curves of a run as PNG; None where there are none (yet)."""
        path = self.names().get(name)
        if path is None:
            return None
        changed = (path / _LOG).stat().st_mtime
        if self._drawn.get(name, (0.0, b""))[0] != changed:
            run = Run.open(path)
            if not run.events("step"):
                return None
            with tempfile.TemporaryDirectory() as scratch:
                draw_curves(run, target := Path(scratch) / "curves.png")
                self._drawn[name] = (changed, target.read_bytes())
        return self._drawn[name][1]

    def verified(self, name: str) -> Verification | None:
        """Return what an earlier verification found, where no file has changed since."""
        path = self.names().get(name)
        stamp, found = self._verified.get(name, ((), None))
        return found if path is not None and found is not None and stamp == _stamp(path) else None

    def verify(self, name: str) -> Verification:
        """Check every hash and signature of a run's proof, and the datasets that lie here.

        Raises:
            GatllmError: there is no such run, no proof, or another is being verified.
        """
        path = self.names().get(name)
        if path is None:
            raise GatllmError("there is no such run (any more)", "look at the list")
        if (known := self.verified(name)) is not None:
            return known
        if not self._verifying.acquire(timeout=10):
            raise GatllmError("another run is being verified", "try again in a minute")
        try:
            stamp = _stamp(path)
            found = verify(path, datasets=self._trained_on(path))
            self._verified[name] = (stamp, found)
            return found
        finally:
            self._verifying.release()

    def _trained_on(self, path: Path) -> list[Path]:
        try:
            roots = [str(entry.get("merkle_root")) for entry in read_proof(path).datasets]
        except VerificationError:
            return []
        here = {Dataset.open(folder).manifest.merkle_root: folder for folder in self._datasets}
        # Of several datasets all must lie here: what is looked at is the hash of all of them, in the proof's order.
        return [here[root] for root in roots] if set(roots) <= here.keys() else []


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what changes when any file of a run does."""
    states = [file.stat() for file in sorted(path.rglob("*")) if file.is_file()]
    return tuple(number for state in states for number in (state.st_mtime_ns, state.st_size))


def _view(name: str, path: Path) -> RunView:
    changed = (path / _LOG).stat().st_mtime
    try:
        run = Run.open(path)
        numbers = summary(run)
        points = tuple((int(entry["step"]), float(entry["loss"])) for entry in run.events("validation"))
        recipe = (path / "recipe.toml").read_text(encoding="utf-8")
        proof = read_proof(path) if (path / _PROOF).is_file() else None
    except (GatllmError, OSError, KeyError, ValueError) as error:
        return RunView(name, changed, problem=str(error))
    return RunView(name, changed, numbers, recipe, points, proof)
