"""Rewards pay for what is right, and for nothing that only looks right."""

from pathlib import Path

import pytest

from gatllm.errors import GatllmError, UsageError
from gatllm.training.rewards import Asked, Reward, load_reward
from gatllm.training.rewards.code import cases_of, code_in

TESTS = ("assert add(1, 2) == 3", "assert add(-1, 1) == 0", "assert [3] == add([1], [2]) or True")
RIGHT = "def add(a, b):\n    return a + b\n"

FORGERIES = {
    "leaves before the tests": "import os\ndef add(a, b): return 0\nos._exit(0)",
    "exits with success": "def add(a, b): return 0\nraise SystemExit(0)",
    "exits in the call": "import sys\ndef add(a, b): sys.exit(0)",
    "equals everything": "class All:\n    def __eq__(self, other): return True\ndef add(a, b): return All()",
    "an integer that equals everything": (
        "class All(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__\n"
        "def add(a, b): return All(7)"
    ),
    "says that it passes": "def add(a, b):\n    print('passed', '{\"values\": [3, 0]}')\n    return 0",
    "patches the comparison": "import builtins\nbuiltins.all = lambda *_: True\ndef add(a, b): return 0",
    "leaves in a thread": (
        "import threading, os\nthreading.Timer(0.01, lambda: os._exit(0)).start()\n"
        "def add(a, b):\n    import time; time.sleep(0.1); return 0"
    ),
    "reads the tests off the frames": (
        "import sys\ndef add(a, b):\n    frame = sys._getframe()\n    while frame:\n"
        "        for value in frame.f_locals.values():\n            if value == 3: return value\n"
        "        frame = frame.f_back\n    return 5"
    ),
    "never ends": "def add(a, b):\n    while True: pass",
    "is another function": "def sub(a, b): return a + b",
    "is empty": "",
}


@pytest.fixture
def by_tests() -> Reward:
    reward = load_reward("tests")
    try:
        reward([], [])
    except GatllmError as error:
        pytest.skip(str(error))
    return reward


def test_forgeries_earn_nothing(by_tests: Reward) -> None:
    verdicts = by_tests([Asked("add", tests=TESTS[:2])] * len(FORGERIES), list(FORGERIES.values()))
    paid = [name for name, verdict in zip(FORGERIES, verdicts, strict=True) if verdict.reward or not verdict.why]
    assert paid == []


def test_honest_code_is_paid_also_inside_prose(by_tests: Reward) -> None:
    answers = [RIGHT, f"Here it is:\n\n```python\n{RIGHT}```\nIt adds.", f"```\n{RIGHT}"]
    verdicts = by_tests([Asked("add", tests=TESTS[:2])] * 3, answers)
    assert [verdict.reward for verdict in verdicts] == [1, 1, 1]


def test_tests_of_another_form_are_no_positive_proof() -> None:
    with pytest.raises(ValueError, match="is not f"):
        cases_of(TESTS)
    with pytest.raises(ValueError, match="not an assertion"):
        cases_of(["check(add)"])
    name, cases = cases_of(TESTS[:2])
    assert (name, cases[0].arguments, cases[0].expected) == ("add", (1, 2), 3)


def test_words() -> None:
    asked = [Asked("capital?", "Paris")]
    contains, exact = load_reward("contains"), load_reward("exact")
    assert contains(asked, ["It is Paris."])[0].reward == 1
    assert contains(asked, ["Parisians know"])[0].reward == 0
    assert contains(asked, ["Rome, Oslo, Paris, Bern, " * 9])[0].reward == 0
    assert exact(asked, [" Paris\n"])[0].reward == 1
    assert exact(asked, ["paris"])[0].reward == 0
    assert load_reward(r"format:\d+")(asked, ["12"])[0].reward == 1


def test_code_that_does_nothing_is_worth_nothing() -> None:
    reward = load_reward("compiles")
    answers = ["def f():\n    return g(1)\n", "pass", '"""Only words."""', "# nothing", "", "def f(:"]
    assert [one.reward for one in reward([Asked("x")] * 6, answers)] == [1, 0, 0, 0, 0, 0]


def test_a_mix_is_the_weighted_mean() -> None:
    mixed = load_reward({"exact": 3, "compiles": 1})
    assert mixed([Asked("x", "y")], ["f(1)"])[0].reward == pytest.approx(0.25)
    assert "compiles 1.00" in mixed([Asked("x", "y")], ["f(1)"])[0].why


def test_ones_own_function_is_held_to_the_interface(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "def short(asked, answers): return [1 / (1 + len(a)) for a in answers]\n"
        "def wild(asked, answers): return [float('nan')] * len(answers)\n"
        "def few(asked, answers): return []\n"
        "def broken(asked, answers): return answers[0].score\n"
        "def words(asked, answers): return ['good' for _ in answers]\n"
        "def nothing(asked, answers): pass\n"
    )
    assert load_reward(f"{file}:short")([Asked("x")], ["abc"])[0].reward == 0.25
    for name, message in (
        ("wild", "gave nan"),
        ("few", "gave 0 verdicts for 1"),
        ("broken", r"broken of mine\.py raises AttributeError"),
        ("words", "gave 'good'"),
        ("nothing", "gave None"),
    ):
        with pytest.raises(GatllmError, match=message):
            load_reward(f"{file}:{name}")([Asked("x")], ["abc"])
    for wrong in ("nothing", f"{file}:lacking", "lacking.py:f", "format:(", {}, {"exact": 0}):
        with pytest.raises(UsageError):
            load_reward(wrong)


def test_the_first_fence_is_the_code() -> None:
    assert code_in("a\n```python\nx = 1\n```\nb\n```\ny\n```") == "x = 1\n"
    assert code_in("x = 1") == "x = 1"
