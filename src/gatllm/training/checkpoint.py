"""Checkpoints: folders that appear whole, carry the roots of their tensors, and are never picked up torn or changed."""

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
from gatllm.records import is_partial, new_folder

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

    def intact(self) -> bool:
        """Tell whether weights and state are those that were written."""
        try:
            self.load()
        except GatllmError:
            return False
        return True

    def load(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return (weights, state).

        Raises:
            VerificationError: they are not what was written.
            GatllmError: a file is missing or damaged.
        """
        weights, state = load_weights(self.path / _WEIGHTS), load_weights(self.path / _STATE)
        if (weights_root(weights), weights_root(state)) != (self.weights_root, self.state_root):
            raise VerificationError(f"{self.path} was changed", "resume from another checkpoint")
        return weights, state


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
        # The roots are the only hashes: they cover names, types, shapes and values, and a second pass costs as much.
        made = Checkpoint(target, step, seconds, weights_root(weights), weights_root(state))
        about = {
            "step": step,
            "seconds": seconds,
            "weights_root": made.weights_root,
            "state_root": made.state_root,
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
        return Checkpoint(path, about["step"], about["seconds"], about["weights_root"], about["state_root"])
    except (OSError, ValueError, KeyError, TypeError):
        raise GatllmError(f"{path} is not a whole checkpoint", "name one of the folders in checkpoints/") from None


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
