"""Seeds for every use, derived from the one seed of a recipe.

Randomness is a function of (seed, use, position), never of what was drawn before. A resumed or replayed step therefore
needs no saved generator state to be equal to the bit.
"""

from __future__ import annotations

import hashlib


def derive(seed: int, use: str, *position: int) -> int:
    """Return a seed below 2**63: the first bytes of the SHA-256 of ``seed``, ``use`` and ``position``."""
    text = "/".join([str(seed), use, *map(str, position)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
