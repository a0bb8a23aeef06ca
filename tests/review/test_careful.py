"""The careful tier: what a language model may change, and what it may not."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatllm.errors import GatllmError
from gatllm.review import careful
from gatllm.review.careful import LONGEST, LanguageModel, excerpts, load_language_model, reweighed
from gatllm.review.default import load_reviewer
from gatllm.review.reviewer import Repair

AMBIGUOUS = "def f(a, b):\n    return g(h(a - b, 1)\n"


_NAMES = re.compile(r"[A-Za-z_]\w*")
UNSURE = "import os\nnames = os.listdir\nnames.sort[]\nprint(names)\n"


def says(answer: str) -> LanguageModel:
    """A language model that gives one answer to everything and finds everything equally likely."""
    return LanguageModel(flat, lambda question, tokens: answer)


def fixed(text: str, answer: str) -> Repair:
    return load_reviewer(quick=True).careful(says(answer)).fix(text, candidates=4)


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
        model = LanguageModel(lambda texts, w=wanted: [0.0 if one in w else -200.0 for one in texts], lambda *_: "")
        chosen = fast.careful(model).fix(AMBIGUOUS)
        assert chosen.tier == "careful"
        assert chosen.candidates[0].text == wanted
        assert not chosen.candidates[0].harm


def test_what_the_fast_tier_is_sure_of_it_is_not_asked_about() -> None:
    def never(*given: object) -> Sequence[float]:
        raise AssertionError

    model = LanguageModel(never, lambda *given: str(never(*given)))
    assert load_reviewer(quick=True).careful(model).fix("def f(x)\n    return x\n").tier == "fast"


def test_what_it_writes_itself_is_a_repair_of_its_own() -> None:
    meant = UNSURE.replace("[]", "()")
    assert not load_reviewer(quick=True).fix(UNSURE).changed
    repair = fixed(UNSURE, f"Here it is:\n```python\n{meant}```\n")
    assert (repair.tier, repair.by) == ("careful", "generator")
    assert repair.candidates[0].text == meant


def test_where_it_agrees_that_counts() -> None:
    fast = load_reviewer(quick=True).fix(UNSURE.replace("[]", "(]"), candidates=4)
    meant = fast.candidates[0].text
    assert not fast.candidates[0].harm
    before = fast.candidates[0].probability or 0.0
    repair = fixed(UNSURE.replace("[]", "(]"), f"```python\n{meant}```")
    assert repair.candidates[0].text == meant
    if before < careful.ASKED:
        assert (repair.candidates[0].probability or 0.0) > before


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "I can't.",
        "```python\nnames.sort(\n```",  # does not compile
        f"```python\n{UNSURE}```",  # what it was given
        "```python\nprint(1)\n",  # never ended
        "```python\nimport shutil\nshutil.rmtree('/')\n```",
        "```python\n```",
        "```python\n" + UNSURE.replace("names.sort[]", "names.sort(reverse=True)") + "```",
    ],
)
def test_whatever_it_answers_nothing_is_written_that_the_text_does_not_say(answer: str) -> None:
    repair = fixed(UNSURE, answer)
    assert not repair.changed
    assert repair.text == UNSURE
    assert all(one.harm for one in repair.candidates if "rmtree" in one.text or "reverse" in one.text)


@given(st.text("abc []()=:\n'\"`", max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_answer_leaves_the_names_alone(answer: str) -> None:
    repair = fixed(UNSURE, f"```python\n{answer}\n```")
    assert not repair.changed or sorted(_NAMES.findall(repair.text)) == sorted(_NAMES.findall(UNSURE))


def test_what_is_missing_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATLLM_CACHE", "/nowhere/at/all")
    monkeypatch.setenv("XDG_CACHE_HOME", "/nowhere/at/all")
    with pytest.raises(GatllmError, match="not in the cache"):
        load_language_model()
    monkeypatch.setattr(careful, "find_spec", lambda name: None)
    with pytest.raises(GatllmError, match="needs a language model"):
        load_language_model()
