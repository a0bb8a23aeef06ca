"""Seeds for every use, derived from the one seed of a recipe.

Randomness is a function of (seed, use, position), never of what was drawn before. A resumed or replayed step therefore
needs no saved generator state to be equal to the bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from gatllm.records import digest

# Of a resolved recipe: names and places, and what follows from the plan. What else it says decides the result.
_NOT_PLANNED = ("name", "about", "expect", "seed", "start")
# What changes nothing of the result: else a trainer draws seeds by changing it.
_INERT = {"train": ("samples", "keep", "checkpoints"), "data": ("workers",)}


def derive(seed: int, use: str, *position: int) -> int:
    """Return a seed below 2**63: the first bytes of the SHA-256 of ``seed``, ``use`` and ``position``."""
    text = "/".join([str(seed), use, *map(str, position)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def plan_of(recipe: Mapping[str, Any], commitments: Mapping[str, Any]) -> dict[str, Any]:
    """Return all that decides a run besides its data and its seed: what is promised before training, by its digest.

    That is the resolved recipe (architecture and hyper-parameters), the tokenizer, the code, the numerical environment
    and, for a run that begins with another's weights, these. ``commitments`` are those of the log's first entry; the
    initial weights of a fresh model are not part of the plan, for they follow from the seed.
    """
    values = {key: value for key, value in recipe.items() if key not in _NOT_PLANNED}
    values["data"] = {key: value for key, value in values["data"].items() if key != "source"}
    drawn = values["determinism"]
    values["determinism"] = {key: value for key, value in drawn.items() if key not in ("block", "trainer")}
    if drawn.get("trainer") is not None:  # before trainers were part of the seed, everything was part of the plan
        for table, inert in _INERT.items():
            values[table] = {key: value for key, value in values[table].items() if key not in inert}
    plan = {"recipe": values, **{name: commitments[name] for name in ("tokenizer", "code", "environment")}}
    if recipe.get("start"):
        plan["init_root"] = commitments["init_root"]
    return plan


def committed_seed(data_root: str, plan: str, block: str, trainer: str | None = None) -> int:
    """Return the seed that follows from the hashes of data, plan and a block, and the trainer's address.

    Where the block is later than the promise of data and plan, nobody could choose it; and nobody else's run has it.
    """
    bound = {} if trainer is None else {"trainer": trainer.lower()}
    whole = digest({"data_root": data_root, "plan": plan, "block": block, **bound})
    return int(whole[:13], 16)  # 52 bits: a JSON number holds it exactly
