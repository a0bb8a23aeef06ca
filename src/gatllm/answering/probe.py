"""A linear probe: what a generator's hidden state tells of whether its answer is right.

Alain and Bengio (2016) read a layer with a linear classifier; Azaria and Mitchell (2023) found that the states of a
language model tell whether what it says is true. Here there are fewer examples than numbers in a state, so that the
classifier sees the first principal components only; both maps together are one weight for each number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COMPONENTS = 16
_INVERSE_PENALTY = 0.05  # of the logistic regression, on components of deviation 1
_DIGITS = 6  # significant digits of a weight: its state has three


@dataclass(frozen=True)
class Probe:
    """Reads the states (width) behind one ``layer`` of a model; 1 is the first."""

    layer: int
    weights: tuple[float, ...]
    bias: float

    @classmethod
    def fit(
        cls, layer: int, states: Sequence[Sequence[float]], labels: Sequence[bool], groups: Sequence[int], seed: int = 0
    ) -> tuple[Self, list[float]]:
        """Return a probe, and what probes that were fitted without a row's group say of each row.

        Args:
            layer: where the states come from.
            states: (rows, width).
            labels: of each row.
            groups: rows of one group are never on both sides of a fold.
            seed: of the five folds.
        """
        import numpy as np
        from sklearn.model_selection import StratifiedGroupKFold

        x, y = np.asarray(states, np.float64), np.asarray(labels, bool)
        held_out = np.zeros(len(y))
        for train, test in StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(x, y, groups):
            weights, bias = _fitted(x[train], y[train])
            held_out[test] = x[test] @ weights + bias
        weights, bias = _fitted(x, y)
        return cls(layer, tuple(float(f"{value:.{_DIGITS}g}") for value in weights), bias), held_out.tolist()

    def logit(self, state: Sequence[float]) -> float:
        """Return the log-odds of a right answer, as far as this state (width) tells."""
        return self.bias + sum(weight * value for weight, value in zip(self.weights, state, strict=True))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"layer": self.layer, "weights": list(self.weights), "bias": self.bias}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read back what `to_json` gave."""
        return cls(value["layer"], tuple(value["weights"]), value["bias"])


def _fitted(x: NDArray[np.float64], y: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    count = min(COMPONENTS, *x.shape)
    made = make_pipeline(
        StandardScaler(), PCA(count, random_state=0), StandardScaler(), LogisticRegression(C=_INVERSE_PENALTY)
    )
    made.fit(x, y)
    scale, pca, again, classifier = (step for _, step in made.steps)
    # Each step is linear, and so is all of it: its slope along each number of a state, and its value at the mean.
    on_components = classifier.coef_[0] / again.scale_
    weights = (on_components @ pca.components_) / scale.scale_
    at_mean = float(classifier.intercept_[0] - on_components @ again.mean_)
    return weights, at_mean - float(weights @ scale.mean_) - float(on_components @ pca.components_ @ pca.mean_)
