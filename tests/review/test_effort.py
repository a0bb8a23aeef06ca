"""The same text gets the same answer, however slow the clock makes the machine look."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatllm.review import Reviewer, compile_error
from gatllm.review.default import load_reviewer
from gatllm.review.effort import PATIENCE, Effort, OutOfTimeError
from tests.review.test_gate import FUNCTIONS

BROKEN = "def mean(values:\n    total = 0\n    for value in values\n        total += value\n    return total\n"


def ticking(step: float) -> Callable[[], float]:
    """A clock that goes on by ``step`` seconds whenever anyone looks at it."""
    ticks: Iterator[int] = count()
    return lambda: next(ticks) * step


@st.composite
def broken_texts(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(FUNCTIONS))
    for _ in range(draw(st.integers(1, 4))):
        places = [at for at, letter in enumerate(text) if letter in "()[]{}:,'\n"]
        at = draw(st.sampled_from(places))
        text = text[:at] + draw(st.sampled_from(["", "(", ")", ":", ",", "'", "  "])) + text[at + 1 :]
    return text


@pytest.fixture(scope="module")
def reviewer() -> Reviewer:
    return load_reviewer(quick=True)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(broken_texts(), st.sampled_from([0.0, 0.002, 0.02, 0.2, PATIENCE]))
def test_a_slow_machine_gives_the_same_answer_or_says_that_it_gave_up(
    reviewer: Reviewer, monkeypatch: pytest.MonkeyPatch, text: str, step: float
) -> None:
    at_ease = reviewer.fix(text, candidates=3, seconds=10**9)
    with monkeypatch.context() as patched:
        patched.setattr(time, "monotonic", ticking(step))
        pressed = reviewer.fix(text, candidates=3)
    if pressed.why.startswith("gave up"):
        assert (pressed.text, pressed.changed, pressed.candidates) == (text, False, ())
    else:
        assert pressed == at_ease


def test_a_clock_that_runs_out_changes_nothing_and_says_so(reviewer: Reviewer) -> None:
    repair = reviewer.fix(BROKEN, seconds=0)
    assert (repair.text, repair.changed, repair.compiles) == (BROKEN, False, False)
    assert repair.why == "gave up after 0 s: the machine is busy, or it takes too much"
    assert reviewer.fix(BROKEN).changed


def test_whoever_has_spent_the_work_stops_with_the_best_found(reviewer: Reviewer) -> None:
    effort = Effort.of(1)
    assert not effort.is_spent
    assert effort.compile_error(BROKEN) == compile_error(BROKEN)
    assert effort.is_spent
    assert not effort.apart(10**6).is_spent


def test_work_under_a_clock_that_ran_out_is_not_begun() -> None:
    with pytest.raises(OutOfTimeError):
        Effort(10**6, time.monotonic() - 1).compile_error("x = 1\n")
