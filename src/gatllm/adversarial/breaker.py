"""The breaker: learns which errors the discriminator misses, and keeps those it missed.

Two levels (Yasunaga and Liang 2021, break-it-fix-it; Freund and Schapire 1997 for the mixture): which kinds of error
come how often follows by multiplicative weights from what was missed, and the very errors that were missed become
pairs to learn from. Beside the families of `gatllm.data` it knows what a language model puts in a token's place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random

from gatllm.adversarial.case import Case
from gatllm.adversarial.pieces import Piece
from gatllm.data import FAMILIES, corrupt
from gatllm.data.code import Edit

_RATE = 2.0  # of the multiplicative weights: a family that is always missed gains e^2 a round before normalising
_LEAST = 0.25  # fraction of `gatllm.data`'s own mixture that always stays: nothing is forgotten
_DRAWS = 40  # functions tried for one case of a kind


def even() -> dict[str, float]:
    """Return `gatllm.data`'s own mixture."""
    return {name: family.weight for name, family in FAMILIES.items()}


def harder(weights: Mapping[str, float], missed: Mapping[str, float]) -> dict[str, float]:
    """Return the next mixture: more of what was missed; grammar and meaning each keep their share."""
    grown = {name: weights[name] * math.exp(_RATE * missed.get(name, 0.0)) for name in FAMILIES}
    out: dict[str, float] = {}
    for syntactic in (True, False):
        names = [name for name, family in FAMILIES.items() if family.syntactic == syntactic]
        scale = sum(FAMILIES[name].weight for name in names) / sum(grown[name] for name in names)
        out |= {n: (1 - _LEAST) * grown[n] * scale + _LEAST * FAMILIES[n].weight for n in names}
    return {name: round(weight, 4) for name, weight in out.items()}


def break_code(pieces: Sequence[Piece], each: int, rng: Random) -> list[Case]:
    """Return ``each`` errors of every kind, as far as the code offers places for them."""
    found: list[Case] = []
    for name, family in FAMILIES.items():
        made = 0
        for _ in range(_DRAWS * each):
            if made == each:
                break
            piece = rng.choice(pieces)
            broken = corrupt(piece.text, rng, 1 if family.syntactic else 2, [name])
            if broken is not None and broken.syntactic == family.syntactic:
                edits = [Edit(*edit) for edit in broken.edits]
                found.append(Case.of(piece, broken.broken, edits, name, syntactic=broken.syntactic))
                made += 1
    return found
