"""How much of each difficulty there is at each step: errors grow more and harder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gatllm.data.corruption import MAX_LEVEL
from gatllm.errors import UsageError


@dataclass(frozen=True)
class Curriculum:
    """Mixtures of the levels 1 to 5 at points of progress from 0 to 1; between them it is interpolated.

    Attributes:
        points: (progress, weights of the levels), ascending in progress.
    """

    points: tuple[tuple[float, tuple[float, ...]], ...]

    def __post_init__(self) -> None:
        """Check the points.

        Raises:
            UsageError: the list is empty, the points are out of order, or weights are negative, all zero or not five.
        """
        places = [place for place, _ in self.points]
        if not places or places != sorted(places):
            raise UsageError("a curriculum needs points in ascending order", "write them as (progress, weights)")
        for _, weights in self.points:
            if len(weights) != MAX_LEVEL or min(weights) < 0 or not sum(weights):
                raise UsageError(f"{list(weights)} are not weights of levels", f"give {MAX_LEVEL} of at least 0")

    @classmethod
    def constant(cls, levels: Sequence[int]) -> Curriculum:
        """Return the curriculum that draws evenly from ``levels`` all the time.

        Raises:
            UsageError: there is no such level.
        """
        if not levels or not all(1 <= level <= MAX_LEVEL for level in levels):
            raise UsageError(f"no corruption level {list(levels)}", f"take 1 to {MAX_LEVEL}")
        return cls(((0.0, tuple(float(list(levels).count(level + 1)) for level in range(MAX_LEVEL))),))

    @classmethod
    def growing(cls) -> Curriculum:
        """Return the default: from single slips, through single errors of all kinds, to several close together."""
        return cls(((0.0, (1, 0, 0, 0, 0)), (0.3, (4, 4, 1, 0, 0)), (0.7, (2, 3, 3, 1, 1)), (1.0, (1, 2, 3, 2, 2))))

    def mixture(self, progress: float) -> list[float]:
        """Return the fraction of each level at ``progress``."""
        before = max((point for point in self.points if point[0] <= progress), default=self.points[0])
        after = min((point for point in self.points if point[0] >= progress), default=self.points[-1])
        span = after[0] - before[0]
        part = (progress - before[0]) / span if span > 0 else 0.0
        weights = [
            a / sum(before[1]) * (1 - part) + b / sum(after[1]) * part for a, b in zip(before[1], after[1], strict=True)
        ]
        return [weight / sum(weights) for weight in weights]

    def as_list(self) -> list[list[str]]:
        """Return the points as JSON (numbers as text)."""
        return [[str(place), *map(str, weights)] for place, weights in self.points]
