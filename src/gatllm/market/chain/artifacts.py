"""ABIs and bytecode of our contracts, as set-up built them into the package."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from gatllm.errors import GatllmError


@dataclass(frozen=True, slots=True)
class Artifact:
    """What is needed to deploy a contract and to talk to it."""

    contract: str
    abi: list[dict[str, Any]]
    bytecode: str


@cache
def artifact(contract: str) -> Artifact:
    """Return one contract's artifact.

    Raises:
        GatllmError: the contracts were not built.
    """
    file = resources.files("gatllm.market") / "abi" / f"{contract}.json"
    try:
        return Artifact(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise GatllmError(f"the contract {contract} is not built", "run: python contracts/build.py") from None


def source_of(contract: str) -> dict[str, Any]:
    """Return what an explorer compiles: ``compiler``, ``contract`` and its standard JSON ``input``.

    Raises:
        GatllmError: the contracts were not built.
    """
    file = resources.files("gatllm.market") / "abi" / f"{contract}.source.json"
    try:
        value: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise GatllmError(f"the source of {contract} is not built", "run: python contracts/build.py") from None
    return value
