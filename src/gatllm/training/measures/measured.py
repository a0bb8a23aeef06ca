"""What a measure gives: numbers with intervals, and how it went with each item, so that two models can be compared."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gatllm.training.measures.subject import Subject

_Z = 1.959964  # two-sided 95 %
_RESAMPLED = 2000


@dataclass(frozen=True, slots=True)
class Item:
    """One item: its key (the same for every model), its score (1: right; or a loss), and what the model did."""

    key: str
    score: float
    said: str = ""


@dataclass(frozen=True)
class Measured:
    """The numbers of one measure as (value, low, high), a 95 % interval where there is one, and its items.

    ``bad`` names the items that could not be measured; they count as wrong where right and wrong are counted.
    """

    name: str
    numbers: Mapping[str, tuple[float, float | None, float | None]]
    items: tuple[Item, ...] = field(repr=False, default=())
    bad: tuple[str, ...] = ()
    lower_is_better: bool = False


# Takes a model, what stands behind the colon (a file, a source), the most items, the numbers of solved examples
# shown, and a seed.
Measure = Callable[[Subject, str, int, int, int], Measured]


@dataclass(frozen=True)
class Difference:
    """How two models differ on the same items: the mean difference of scores, and its 95 % interval."""

    mean: float
    low: float
    high: float
    items: int


def compare(one: Measured, other: Measured, seed: int = 0) -> Difference:
    """Return by how much ``one`` scores above ``other`` on the items of both (paired bootstrap, Efron 1979).

    Raises:
        ValueError: they have no item in common.
    """
    theirs = {item.key: item.score for item in other.items}
    pairs = [item.score - theirs[item.key] for item in one.items if item.key in theirs]
    if not pairs:
        raise ValueError("no item in common")
    rng = random.Random(seed)
    count = len(pairs)
    means = sorted(sum(rng.choices(pairs, k=count)) / count for _ in range(_RESAMPLED))
    return Difference(sum(pairs) / count, means[int(0.025 * _RESAMPLED)], means[int(0.975 * _RESAMPLED) - 1], count)


def mean_of(values: Sequence[float]) -> tuple[float, float | None, float | None]:
    """Return the mean and its 95 % interval (normal), which one value does not have."""
    count = len(values)
    mean = sum(values) / count
    if count < 2:
        return mean, None, None
    half = _Z * math.sqrt(sum((value - mean) ** 2 for value in values) / (count - 1) / count)
    return mean, mean - half, mean + half


def fraction_of(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of values from 0 to 1 and its 95 % interval.

    As if half of ``z**2`` zeros and as many ones had been measured as well (Agresti and Coull 1998): few values, or
    values that are all alike, claim no certainty, and the interval stays within 0 to 1.
    """
    added = _Z * _Z / 2
    count = len(values) + 2 * added
    middle = (sum(values) + added) / count
    squares = sum((value - middle) ** 2 for value in values) + added * (middle**2 + (1 - middle) ** 2)
    half = _Z * math.sqrt(squares) / count
    mean = sum(values) / len(values)
    return mean, min(max(0.0, middle - half), mean), max(min(1.0, middle + half), mean)
