"""Seeds for every use, derived from the one seed of a recipe.

Randomness is a function of (seed, use, position), never of what was drawn before. A resumed or replayed step therefore
needs no saved generator state to be equal to the bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from gatllm.records import digest

# Of a resolved recipe: names and places, and the seed itself. What else it says decides the result.
_NOT_COMMITTED = ("name", "about", "expect", "seed")


def derive(seed: int, use: str, *position: int) -> int:
    """Return a seed below 2**63: the first bytes of the SHA-256 of ``seed``, ``use`` and ``position``."""
    text = "/".join([str(seed), use, *map(str, position)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def committed_seed(recipe: Mapping[str, Any], data_root: str, tokenizer: str) -> int:
    """Return the seed that follows from a resolved recipe, the data and the tokenizer: nobody can choose it.

    With ``determinism.block`` set to the hash of a later block, nobody could know it when the rest was committed to.
    """
    values = {key: value for key, value in recipe.items() if key not in _NOT_COMMITTED}
    values["data"] = {key: value for key, value in values["data"].items() if key != "source"}
    whole = digest({"recipe": values, "data_root": data_root, "tokenizer": tokenizer})
    return int(whole[:13], 16)  # 52 bits: a JSON number holds it exactly
