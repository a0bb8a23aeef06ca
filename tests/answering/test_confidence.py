"""Similarity, calibration and thresholds: near prompts score high, others low, and promises are kept."""

import random
from pathlib import Path

import pytest

from gatllm.answering import ConfidenceModel, Estimator, Library
from gatllm.answering import confidence as confidence_module
from gatllm.answering.confidence import held_out_prompts, other_prompts
from gatllm.data import build
from gatllm.errors import GatllmError


def test_the_data_is_told_from_other_subjects(confidence: ConfidenceModel) -> None:
    quality = confidence.estimator.quality
    assert quality.auroc > 0.9
    assert quality.brier < 0.15
    near = confidence.score("Write rows of values to a CSV file")
    far = confidence.score("Which wine goes with roast duck in Burgundy?")
    threshold, certified = confidence.estimator.threshold(0.8)
    assert certified
    assert near.value > threshold > far.value


def test_a_prompt_is_compared_with_other_records_than_its_own(library: Library) -> None:
    """Else every function of the data would be found in the data, and the calibration would learn just that."""
    closer = 0
    for prompt, document in held_out_prompts(library, random.Random(1), 40):
        cosines = library.index.words.cosines(prompt)
        others = sorted(cosines[library.index.passages[:, 0] != document])
        best, mean, *_ = confidence_module._features(library, prompt, without=document)
        assert best == pytest.approx(others[-1])
        assert mean == pytest.approx(sum(others[-5:]) / 5)
        closer += float(cosines.max()) > best
    assert closer > 20  # with it, most would be nearest to themselves


def test_the_calibration_holds_out_the_record_of_each_prompt(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    left_out = []
    real = confidence_module._features

    def spy(library: Library, prompt: str, without: int = -1) -> list[float]:
        left_out.append(without)
        return real(library, prompt, without)

    monkeypatch.setattr(confidence_module, "_features", spy)
    ConfidenceModel.calibrate(library, seed=1)
    inside = held_out_prompts(library, random.Random(1), len(other_prompts()))
    assert left_out == [document for _, document in inside] + [-1] * len(other_prompts())


def test_a_prompt_without_words_has_no_confidence(confidence: ConfidenceModel) -> None:
    assert confidence.score("???").value == 0


def test_calibration_is_kept_for_this_very_library_only(
    library: Library, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "calibration.json"
    first = ConfidenceModel.cached(library, path)
    calls: list[int] = []
    monkeypatch.setattr(ConfidenceModel, "calibrate", classmethod(lambda *_, **__: calls.append(1) or first))
    assert ConfidenceModel.cached(library, path).estimator == first.estimator
    assert calls == []
    path.write_text(path.read_text().replace(library.roots[0], "0" * 64))
    ConfidenceModel.cached(library, path)
    assert calls == [1]
    path.write_text("{")
    ConfidenceModel.cached(library, path)
    assert calls == [1, 1]


def test_held_out_prompts_know_their_record(library: Library) -> None:
    for prompt, document in held_out_prompts(library, random.Random(1), 30):
        assert prompt.split()[0] in library.text(document).decode()
    assert len(set(other_prompts())) == len(other_prompts()) > 100


def test_too_little_data_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "a.py").write_text("def add(a, b):\n    return a + b\n\n\nprint(add(1, 2))\n")
    build(str(tmp_path / "code"), tmp_path / "dataset")
    with pytest.raises(GatllmError, match="too few documented functions"):
        ConfidenceModel.calibrate(Library.open([tmp_path / "dataset"], tmp_path / "index"))


def examples(rng: random.Random, count: int) -> list[tuple[float, bool]]:
    """Calibrated scores: a score of p is a yes with probability p."""
    scores = [rng.random() for _ in range(count)]
    return [(score, rng.random() < score) for score in scores]


def with_held_out(held_out: list[tuple[float, bool]]) -> Estimator:
    from gatllm.answering import Quality
    from gatllm.review.calibration import Calibration

    return Estimator(Calibration((1.0,), 0.0), Quality(1, 0, 0, 0.5, len(held_out)), tuple(held_out))


def test_a_certified_threshold_keeps_its_promise() -> None:
    """Of 60 simulated calibrations at most a few break the promise (10 % are allowed to)."""
    rng = random.Random(7)
    broken = certified = 0
    for _ in range(60):
        threshold, sure = with_held_out(examples(rng, 600)).threshold(0.8)
        certified += sure
        # Above t, calibrated uniform scores are a yes with probability (1 + t) / 2.
        broken += sure and (1 + threshold) / 2 < 0.8
    assert certified >= 40
    assert broken <= 0.2 * certified


def test_what_cannot_be_certified_is_not() -> None:
    assert with_held_out([(0.9, True)] * 3).threshold(0.9) == (0.9, False)
    assert with_held_out([(0.9, False)] * 100).threshold(0.9) == (0.9, False)
    assert with_held_out([(0.95, True)] * 100).threshold(0.9)[1]


def test_calibration_survives_json() -> None:
    rng = random.Random(0)
    rows = [[rng.gauss(label, 0.5)] for label in (0, 1) for _ in range(40)]
    fitted = Estimator.fit(("x",), rows, [False] * 40 + [True] * 40)
    assert Estimator.from_json(fitted.to_json()) == fitted
    assert fitted.probability([2.0]) > 0.9 > 0.1 > fitted.probability([-1.0])
    with pytest.raises(GatllmError, match="too few"):
        Estimator.fit(("x",), rows[:12], [True] * 11 + [False])


@pytest.mark.parametrize("balanced", [True, False])
def test_the_fit_is_that_of_scikit_learn(balanced: bool) -> None:
    """An independent oracle: probabilities, held-out ones and their quality."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import brier_score_loss, roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = random.Random(3)
    sizes = {0: 60, 1: 150}
    rows = [[rng.gauss(0.7 * label, 1), rng.gauss(5 - label, 3), 2.0] for label in sizes for _ in range(sizes[label])]
    labels = [number >= 60 for number in range(len(rows))]
    logistic = LogisticRegression(class_weight="balanced" if balanced else None, tol=1e-9)
    model = make_pipeline(StandardScaler(), logistic).fit(rows, labels)
    ours = Estimator.fit(("a", "b", "c"), rows, labels, balanced=balanced)
    assert np.allclose([ours.probability(row) for row in rows], model.predict_proba(rows)[:, 1], atol=1e-5)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    held_out = cross_val_predict(model, rows, labels, cv=folds, method="predict_proba")[:, 1]
    assert np.allclose([score for score, _ in ours.held_out], held_out, atol=1e-5)
    assert ours.quality.auroc == pytest.approx(roc_auc_score(labels, held_out))
    assert ours.quality.brier == pytest.approx(brier_score_loss(labels, held_out), abs=1e-5)
