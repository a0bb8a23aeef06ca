"""A negative counts only when a critic or a test tells it from the original."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gatllm.adversarial.case import Case
from gatllm.adversarial.pieces import Piece
from gatllm.adversarial.referee import Referee, Ruling
from gatllm.data.code import Edit

ADD = "def add(a: int, b: int):\n    total = a + b\n    return total\n"
FIRST = "def first(items: list):\n    for item in items:\n        return item\n    return None\n"
METHOD = "def put(self, thing):\n    self.things.append(thing)\n    return 1\n"


def piece(text: str) -> Piece:
    head = text.split("\n")[0]
    return Piece(text, head, head, "here:module.py#f", "MIT", "0", frozenset())


def case(text: str, old: str, new: str, family: str, *, syntactic: bool = False) -> Case:
    at = text.index(old)
    made = Case.replacing(piece(text), [Edit(at, at + len(old), new)], syntactic=syntactic)
    return Case(**{**made.as_dict(), "edits": made.edits, "family": family})


@pytest.fixture(scope="module")
def referee() -> Iterator[Referee]:
    with Referee() as one:
        yield one


@pytest.mark.parametrize(
    ("broken", "ruling"),
    [
        (case(ADD, ":\n", "\n", "colon", syntactic=True), "critic"),
        (case(ADD, "= a", "= c", "name"), "critic"),  # undefined
        (case(METHOD, "return 1", "return 2", "off-by-one"), "unknown"),  # who would call it
        (case(ADD, "    total", "        total", "indent"), "critic"),
        (case(ADD, "a + b", "(a + b)", "token"), "same tree"),
    ],
)
def test_critics(referee: Referee, broken: Case, ruling: Ruling) -> None:
    assert referee.rule([broken]) == [ruling]


@pytest.mark.parametrize(
    ("broken", "ruling"),
    [
        (case(ADD, "a + b", "a - b", "arithmetic"), "test"),
        (case(ADD, "a + b", "b + a", "argument"), "same behaviour"),
        (case(FIRST, "return item\n", "return items\n", "name"), "test"),
    ],
)
def test_tests(referee: Referee, broken: Case, ruling: Ruling) -> None:
    if not referee.tests:
        pytest.skip("no sandbox on this machine")
    assert referee.rule([broken]) == [ruling]


def test_chance_is_no_evidence(referee: Referee) -> None:
    text = "def now(a: int):\n    import time\n    b = time.perf_counter_ns() + a\n    return b\n"
    assert referee.rule([case(text, "+ a", "- a", "arithmetic")]) == ["unknown"]


def test_what_nobody_can_tell_counts_only_for_kinds_that_hardly_ever_do_nothing() -> None:
    doubtful = case(METHOD, "return 1", "return 2", "off-by-one")
    sure = case(METHOD, "append(thing)", "append(self)", "name")
    with Referee(tests=False) as referee:
        assert referee.counting([doubtful, sure]) == [sure]
        assert dict(referee.rulings) == {"unknown, left out": 1, "unknown, kept": 1}
