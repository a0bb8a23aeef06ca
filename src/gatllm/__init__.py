"""gatllm: a generator-adversarial transformer LLM for Python code, and the open market around it."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from gatllm.errors import GatllmError, UsageError, VerificationError
from gatllm.system import others_at_work

if TYPE_CHECKING:
    from gatllm.answering import Assistant
    from gatllm.api import check, fix, get_embeddings, load, train, verify
    from gatllm.training.text_generation import TextGeneration

__version__ = "0.1.0"

__all__ = [
    "Assistant",
    "GatllmError",
    "TextGeneration",
    "UsageError",
    "VerificationError",
    "__version__",
    "check",
    "fix",
    "get_embeddings",
    "load",
    "train",
    "verify",
]


def _spins(others: int | None) -> str:
    """Return how long threads of a parallel region spin while they wait for each other.

    Where other programs want the processor too, the one that is waited for does not get to run: steps of 0.1 s took
    10 s. On a machine at rest the long wait makes a training step a seventh shorter (`dev/LOG.md`). What counts is who
    runs now; an average over a minute still holds the user's own last command.
    """
    busy = others is None or others > (os.cpu_count() or 1) / 4
    return "1000" if busy else "10000"


# Read by OpenMP (libgomp) when torch is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", _spins(others_at_work()))

_ROOMS = {"Assistant": "gatllm.answering", "TextGeneration": "gatllm.training.text_generation"}


def __getattr__(name: str) -> Any:
    """Import the Python face on first use: ``import gatllm`` alone loads nothing heavy."""
    if name not in __all__:
        raise AttributeError(f"module 'gatllm' has no attribute {name!r}")
    return getattr(importlib.import_module(_ROOMS.get(name, "gatllm.api")), name)
