"""From scores to probabilities, and from probabilities to a threshold that keeps what it promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

from gatllm.errors import GatllmError

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
class Calibration:
    """Logistic regression on standardised features, with its own held-out scores (for thresholds)."""

    features: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
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

        Rows of one of ``groups`` are never on both sides of a fold. ``balanced``: yes and no count the same, however
        many there are of each; otherwise the probabilities are those of examples like the given ones.

        Raises:
            GatllmError: there are too few examples of one kind to fit anything.
        """
        import numpy as np
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        x, y = np.asarray(rows, float), np.asarray(labels, bool)
        if min(int(y.sum()), int((~y).sum())) < 10:
            raise GatllmError("too few examples to calibrate", "use a dataset with at least ten documented functions")
        weight = "balanced" if balanced else None
        model = make_pipeline(StandardScaler(), LogisticRegression(class_weight=weight, max_iter=1000))
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
        folds = kind(5, shuffle=True, random_state=seed)
        predicted = cross_val_predict(model, x, y, groups=groups, cv=folds, method="predict_proba")[:, 1]
        model.fit(x, y)
        scaler, logistic = model[0], model[1]
        return cls(
            features=tuple(features),
            mean=tuple(map(float, scaler.mean_)),
            scale=tuple(map(float, scaler.scale_)),
            weights=tuple(map(float, logistic.coef_[0])),
            intercept=float(logistic.intercept_[0]),
            quality=measure(predicted, y),
            held_out=tuple(zip(map(float, predicted), map(bool, y), strict=True)),
        )

    def probability(self, row: Sequence[float]) -> float:
        """Return the calibrated probability of yes."""
        from math import exp

        terms = zip(row, self.mean, self.scale, self.weights, strict=True)
        z = self.intercept + sum(weight * (value - mean) / scale for value, mean, scale, weight in terms)
        return 1 / (1 + exp(-z)) if z > -700 else 0.0

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
        fields = {name: tuple(value[name]) for name in ("features", "mean", "scale", "weights")}
        held_out = tuple((float(score), bool(label)) for score, label in value["held_out"])
        return cls(**fields, intercept=value["intercept"], quality=Quality(**value["quality"]), held_out=held_out)


def measure(scores: Sequence[float] | NDArray[np.float64], labels: Sequence[bool] | NDArray[np.bool_]) -> Quality:
    """Measure probabilities against what was true."""
    import numpy as np
    from sklearn.metrics import brier_score_loss, roc_auc_score

    p, y = np.asarray(scores, float), np.asarray(labels, bool)
    bins = np.minimum((p * 10).astype(int), 9)
    gaps = [abs(p[bins == b].mean() - y[bins == b].mean()) * (bins == b).mean() for b in set(bins.tolist())]
    return Quality(
        auroc=float(roc_auc_score(y, p)),
        brier=float(brier_score_loss(y, p)),
        ece=float(sum(gaps)),
        base_rate=float(y.mean()),
        examples=len(y),
    )
