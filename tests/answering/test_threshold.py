"""The threshold rises with difficulty and with failures, and never beyond reach."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatllm.answering import Assistant, ConfidenceModel, FakeGenerator, Library, Reliability
from gatllm.answering.threshold import HIGHEST, difficulty
from gatllm.errors import GatllmError
from gatllm.review import Reviewer

HARD = (
    "Write a class that reads several CSV files, merges them by the first column, and then writes the result; it must "
    "skip empty rows, keep the order, report duplicates, and also work without a header. Handle quoting. Add a limit."
)


def test_longer_lists_of_demands_are_harder() -> None:
    assert difficulty("reverse a string") == "easy"
    assert difficulty("Read a CSV file and sum the second column, but skip rows that are empty") == "medium"
    assert difficulty(HARD) == "hard"
    assert difficulty("Fix this:\n\n" + "x = 1\n" * 60) == "hard"


@settings(deadline=None)  # shared machines stall
@given(base=st.floats(0.5, 0.95), results=st.lists(st.booleans(), max_size=30))
def test_the_threshold_follows_reliability(base: float, results: list[bool]) -> None:
    seen, worse = Reliability(), Reliability()
    for passed in results:
        seen.learn("medium", passed)
        worse.learn("medium", passed)
    worse.learn("medium", False)
    assert base <= seen.threshold(base, "medium") <= worse.threshold(base, "medium") <= HIGHEST
    assert seen.threshold(base, "easy") == Reliability().threshold(base, "easy") <= seen.threshold(base, "hard")


def test_what_was_seen_is_kept(tmp_path: Path) -> None:
    first = Reliability(tmp_path / "reliability.json")
    for _ in range(20):
        first.learn("easy", False)
    assert Reliability(tmp_path / "reliability.json").rate("easy") == first.rate("easy") < 0.5
    (tmp_path / "reliability.json").write_text("{}")
    with pytest.raises(GatllmError, match="is damaged"):
        Reliability(tmp_path / "reliability.json")


def test_an_assistant_that_fails_asks_for_more_confidence(library: Library, confidence: ConfidenceModel) -> None:
    broken = "```python\nimport math\nmath.nothing(1)\n```\n"
    ours = Assistant(FakeGenerator(broken), Reviewer(), library, confidence=confidence, rounds=0)
    prompt = "Return a random element from a sequence"
    before = ours.assess(prompt)
    for _ in range(5):
        ours.ask(prompt)  # nobody is known to have asked
    assert ours.assess(prompt).threshold == before.threshold
    for _ in range(5):
        ours.ask(prompt, learn=True)
    after = ours.assess(prompt)
    assert before.threshold is not None
    assert after.threshold is not None
    assert after.threshold > before.threshold
    assert after.confidence == before.confidence
    assert after.difficulty == "easy"
