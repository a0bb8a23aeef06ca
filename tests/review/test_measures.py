"""The measures, against their definitions."""

import math

from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from gatllm.review.measures import auroc, expected_calibration_error


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.booleans()), min_size=2, max_size=30))
def test_auroc_is_scikit_learns(pairs: list[tuple[float, bool]]) -> None:
    scores, labels = [p for p, _ in pairs], [flag for _, flag in pairs]
    value = auroc(scores, labels)
    if len(set(labels)) < 2:
        assert math.isnan(value)
    else:
        assert math.isclose(value, roc_auc_score(labels, scores))


def test_calibration_error() -> None:
    assert expected_calibration_error([1.0, 0.0, 1.0], [True, False, True]) == 0
    assert math.isclose(expected_calibration_error([0.8] * 10, [True] * 5 + [False] * 5), 0.3)
