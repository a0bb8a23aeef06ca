"""One loop for every objective; checkpoints, recipes, reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gatllm.training.recipe import Recipe
from gatllm.training.run import Run

if TYPE_CHECKING:
    from gatllm.training.replaying import Replay, Replayer, replay
    from gatllm.training.training import train

__all__ = ["Recipe", "Replay", "Replayer", "Run", "replay", "train"]

_LATE = {"Replay": "replaying", "Replayer": "replaying", "replay": "replaying", "train": "training"}  # these need torch


def __getattr__(name: str) -> Any:
    if name in _LATE:
        from importlib import import_module

        return getattr(import_module(f"gatllm.training.{_LATE[name]}"), name)
    raise AttributeError(name)
