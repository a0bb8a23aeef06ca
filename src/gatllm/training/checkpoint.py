"""Checkpoints: folders that appear whole, carry the hash of each file, and are never picked up torn or changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from gatllm.errors import GatllmError, VerificationError
from gatllm.models import load_weights, save_weights, weights_root
from gatllm.records import file_sha256, is_partial, new_folder

_MANIFEST = "checkpoint.json"
_WEIGHTS = "model.safetensors"
_STATE = "state.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint on disk: ``step`` updates done, ``seconds`` of training spent, and the roots the log names."""

    path: Path
    step: int
    seconds: float
    weights_root: str
    state_root: str
    files: Mapping[str, str]

    def intact(self) -> bool:
        """Tell whether every file is the one that was written."""
        return all((self.path / n).is_file() and file_sha256(self.path / n) == h for n, h in self.files.items())

    def load(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return (weights, state).

        Raises:
            VerificationError: a file is not the one that was written.
        """
        if not self.intact():
            raise VerificationError(f"{self.path} was changed or lost a file", "resume from another checkpoint")
        return load_weights(self.path / _WEIGHTS), load_weights(self.path / _STATE)


def folder_name(step: int) -> str:
    """Return the name of the checkpoint after ``step`` updates."""
    return f"step-{step:08d}"


def save(
    folder: Path, step: int, seconds: float, weights: Mapping[str, Tensor], state: Mapping[str, Tensor]
) -> Checkpoint:
    """Write a checkpoint into ``folder``; one of the same step is replaced."""
    target = folder / folder_name(step)
    with new_folder(target, replace=True) as temporary:
        save_weights(temporary / _WEIGHTS, weights)
        save_weights(temporary / _STATE, state)
        files = {name: file_sha256(temporary / name) for name in (_WEIGHTS, _STATE)}
        made = Checkpoint(target, step, seconds, weights_root(weights), weights_root(state), files)
        about = {
            "step": step,
            "seconds": seconds,
            "weights_root": made.weights_root,
            "state_root": made.state_root,
            "files": files,
        }
        (temporary / _MANIFEST).write_text(json.dumps(about, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return made


def read(path: Path) -> Checkpoint:
    """Read what a checkpoint says of itself.

    Raises:
        GatllmError: there is no whole checkpoint at ``path``.
    """
    try:
        about: dict[str, Any] = json.loads((path / _MANIFEST).read_text(encoding="utf-8"))
        return Checkpoint(
            path, about["step"], about["seconds"], about["weights_root"], about["state_root"], about["files"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise GatllmError(f"{path} is no whole checkpoint", "name one of the folders in checkpoints/") from None


def found(folder: Path) -> list[Checkpoint]:
    """Return the whole checkpoints in ``folder``, oldest first; what a crash left behind doesn't count."""
    whole = []
    for path in sorted(folder.glob("step-*")):
        try:
            whole.append(read(path))
        except GatllmError:
            continue
    return whole


def prune(folder: Path, keep: int, also: Iterable[int]) -> None:
    """Remove all but the ``keep`` last checkpoints, those of the steps in ``also``, and leftovers of crashes."""
    kept = set(also)
    for checkpoint in found(folder)[:-keep]:
        if checkpoint.step not in kept:
            shutil.rmtree(checkpoint.path)
    for path in folder.iterdir():
        if is_partial(path):
            shutil.rmtree(path, ignore_errors=True)
