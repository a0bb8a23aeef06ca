"""The careful tier: what a language model may change, and what it may not."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.errors import GatllmError
from gatllm.review import careful
from gatllm.review.careful import LONGEST, excerpts, load_likelihood, reweighed
from gatllm.review.default import load_reviewer

AMBIGUOUS = "def f(a, b):\n    return g(h(a - b, 1)\n"


def flat(texts: Sequence[str]) -> Sequence[float]:
    return [0.0] * len(texts)


@given(st.lists(st.floats(0.001, 0.3), min_size=2, max_size=4), st.data())
def test_the_sum_stays_and_what_it_likes_gains(probabilities: list[float], data: st.DataObject) -> None:
    texts = [f"x = {n}\n" for n in range(len(probabilities))]
    best = data.draw(st.integers(0, len(texts) - 1))
    out = reweighed(texts, probabilities, lambda some: [0.0 if n == best else -5.0 for n in range(len(some))])
    assert sum(out) == pytest.approx(sum(probabilities))
    assert out[best] > probabilities[best]
    assert reweighed(texts, probabilities, flat) == pytest.approx(probabilities)


@given(st.text("ab\n", max_size=30), st.lists(st.text("abc", max_size=5), min_size=2, max_size=4), st.text("ab\n"))
def test_excerpts_hold_all_that_differs(before: str, middles: list[str], after: str) -> None:
    texts = [before + middle + after for middle in middles]
    for text, excerpt in zip(texts, excerpts(texts), strict=True):
        assert excerpt in text
    cut = {text.replace(excerpt, "", 1) for text, excerpt in zip(texts, excerpts(texts), strict=True)}
    assert len(cut) <= 1 or len(set(texts)) == 1 or len({len(one) for one in cut}) == 1


def test_what_differs_too_far_apart_is_not_read() -> None:
    def never(texts: Sequence[str]) -> Sequence[float]:
        raise AssertionError

    between = "é" * (LONGEST // 2)
    assert reweighed([f"1{between}1", f"2{between}2"], [0.5, 0.25], never) == [0.5, 0.25]


def test_the_language_model_chooses_among_what_the_gate_lets_through() -> None:
    fast = load_reviewer(quick=True)
    plain = fast.fix(AMBIGUOUS, candidates=4)
    free = [one.text for one in plain.candidates if not one.harm]
    assert plain.tier == "fast"
    assert len(free) > 1
    for wanted in free:
        chosen = fast.careful(lambda texts, w=wanted: [0.0 if one in w else -200.0 for one in texts]).fix(AMBIGUOUS)
        assert chosen.tier == "careful"
        assert chosen.candidates[0].text == wanted
        assert not chosen.candidates[0].harm


def test_without_a_choice_it_is_not_asked() -> None:
    def never(texts: Sequence[str]) -> Sequence[float]:
        raise AssertionError

    assert load_reviewer(quick=True).careful(never).fix("def f(x)\n    return x\n").tier == "fast"


def test_what_is_missing_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATLLM_CACHE", "/nowhere/at/all")
    monkeypatch.setenv("XDG_CACHE_HOME", "/nowhere/at/all")
    with pytest.raises(GatllmError, match="not in the cache"):
        load_likelihood()
    monkeypatch.setattr(careful, "find_spec", lambda name: None)
    with pytest.raises(GatllmError, match="needs a language model"):
        load_likelihood()
