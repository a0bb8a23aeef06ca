"""gatllm: a generator-adversarial transformer LLM for Python code, and the open market around it."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from gatllm.errors import GatllmError, UsageError, VerificationError

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

# Threads of a parallel region wait for each other by spinning. Where other programs want the processor too, the one
# that is waited for does not get to run: steps of 0.1 s took 10 s. Read by OpenMP (libgomp) when torch is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

_HOMES = {"Assistant": "gatllm.answering", "TextGeneration": "gatllm.training.text_generation"}


def __getattr__(name: str) -> Any:
    """Import the Python face on first use: ``import gatllm`` alone loads nothing heavy."""
    if name not in __all__:
        raise AttributeError(f"module 'gatllm' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES.get(name, "gatllm.api")), name)
