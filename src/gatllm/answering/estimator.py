"""From scores to probabilities, and from probabilities to a threshold that keeps what it promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

from gatllm.errors import GatllmError
from gatllm.review.calibration import Calibration
from gatllm.review.measures import auroc, expected_calibration_error

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CERTAINTY = 0.9  # the chance that a certified threshold keeps its promise
_STEPS = 99


@dataclass(frozen=True, slots=True)
class Quality:
    """How good the probabilities are, measured on examples that the model was not fitted on.

    ``auroc``: the chance that a yes scores above a no. ``brier``: mean squared error. ``ece``: expected calibration
    error over ten bins. ``base_rate``: the fraction of yes among the ``examples``.
    """

    auroc: float
    brier: float
    ece: float
    base_rate: float
    examples: int


@dataclass(frozen=True)
class Estimator:
    """A calibration with its own held-out scores: its quality, and the threshold above which it may be trusted."""

    calibration: Calibration
    quality: Quality
    held_out: tuple[tuple[float, bool], ...] = field(repr=False)

    @classmethod
    def fit(
        cls,
        features: Sequence[str],
        rows: Sequence[Sequence[float]],
        labels: Sequence[bool],
        seed: int = 0,
        *,
        groups: Sequence[int] | None = None,
        balanced: bool = True,
    ) -> Self:
        """Fit on ``rows`` (one number per feature) and ``labels``; quality and thresholds come from 5-fold prediction.

        Rows of one of ``groups`` are never on both sides of a fold. ``balanced``: see `Calibration.fit`.

        Raises:
            GatllmError: there are too few examples of one kind to fit anything.
        """
        import numpy as np
        from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

        x, y = np.asarray(rows, float), np.asarray(labels, bool)
        if min(int(y.sum()), int((~y).sum())) < 10:
            raise GatllmError("too few examples to calibrate", "use a dataset with at least ten documented functions")

        def fitted(at: NDArray[np.intp]) -> Calibration:
            # A Gaussian prior of variance 1 on each standardised feature's weight.
            ridge = 1 / len(at)
            return Calibration.fit(x[at], y[at], features=features, ridge=ridge, balanced=balanced, standardised=True)  # type: ignore[arg-type]

        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
        predicted = np.zeros(len(y))
        for train, test in kind(5, shuffle=True, random_state=seed).split(x, y, groups):
            model = fitted(train)
            predicted[test] = [model.probability(row) for row in x[test]]
        held_out = tuple(zip(map(float, predicted), map(bool, y), strict=True))
        return cls(fitted(np.arange(len(y))), measure(predicted, y), held_out)

    def probability(self, row: Sequence[float]) -> float:
        """Return the calibrated probability of yes."""
        return self.calibration.probability(row)

    def threshold(self, precision: float) -> tuple[float, bool]:
        """Return the lowest threshold certified to leave a fraction ``precision`` of yes above it, and whether it is.

        Learn-then-Test (Angelopoulos et al., 2021) with a fixed sequence of thresholds from high to low and the exact
        binomial test: the promise holds with probability `CERTAINTY` on new examples like the held-out ones. A
        probability under one half is never confident. When nothing can be certified, the threshold is ``precision``
        itself: right if the probabilities are calibrated, but not certified.
        """
        from scipy.stats import binom

        lowest = None
        for step in range(_STEPS, 49, -1):
            candidate = step / (_STEPS + 1)
            above = [label for score, label in self.held_out if score >= candidate]
            wrong = len(above) - sum(above)
            # Could so few errors among so many be luck, if the precision were just too low?
            if above and binom.cdf(wrong, len(above), 1 - precision) <= 1 - CERTAINTY:
                lowest = candidate
            elif lowest is not None or len(above) > 50:
                break
        return (precision, False) if lowest is None else (lowest, True)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read back what `to_json` gave."""
        model = value["calibration"]
        calibration = Calibration(tuple(model["weights"]), model["bias"], tuple(model["features"]))
        held_out = tuple((float(score), bool(label)) for score, label in value["held_out"])
        return cls(calibration, Quality(**value["quality"]), held_out)


def measure(scores: Sequence[float] | NDArray[np.float64], labels: Sequence[bool] | NDArray[np.bool_]) -> Quality:
    """Measure probabilities against what was true."""
    p, y = [float(score) for score in scores], [bool(label) for label in labels]
    return Quality(
        auroc=auroc(p, y),
        brier=sum((score - label) ** 2 for score, label in zip(p, y, strict=True)) / len(y),
        ece=expected_calibration_error(p, y, bins=10),
        base_rate=sum(y) / len(y),
        examples=len(y),
    )
