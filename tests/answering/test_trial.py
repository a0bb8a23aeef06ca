"""Candidates are judged by what they compute in the sandbox, not by what they say."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.answering.inputs import vary
from gatllm.answering.specification import read_specification
from gatllm.answering.trial import clusters, outputs, try_candidate
from gatllm.sandbox import Runner, same


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner(workers=1) as found:
        yield found


@pytest.mark.parametrize(
    ("prompt", "code", "outcome", "words"),
    [
        ("f(2) -> 4", "def f(x):\n    return 2 * x\n", "passed", "it returned 4"),
        ("f(2) -> 4", "def f(x):\n    return x\n", "failed", "it returned 2"),
        ("f(2) -> 4", "def g(x):\n    return 4\n", "failed", "NameError"),
        ("f(2) -> 4", "def f(x):\n    while True: pass\n", "failed", "did not come to an end"),
        ("f(2) -> 4", "import os\ndef f(x):\n    os._exit(0)\n", "failed", "ended the process"),
        ("f(2) -> [1, 2]", "def f(x):\n    return (1, 2)\n", "failed", "it returned (1, 2)"),
        ("f(2) returns 0.67.", "def f(x):\n    return 2 / 3\n", "passed", "0.66"),
        ("assert f(2) == 0.67", "def f(x):\n    return 2 / 3\n", "failed", "0.66"),
        ("f(-1) raises ValueError", "def f(x):\n    raise ValueError('no')\n", "passed", "ValueError"),
        ("f(-1) raises ValueError", "def f(x):\n    return None\n", "failed", "it returned None"),
        (">>> print(f(2))\n2 apples\n", "def f(x):\n    return f'{x} apples'\n", "passed", "2 apples"),
        (
            ">>> s = Stack()\n>>> s.push(1)\n>>> s.pop()\n1\n",
            "class Stack(list):\n    push = list.append\n",
            "passed",
            "returned 1",
        ),
        (
            ">>> f(1)\nPoint(x=1)\n",
            "from collections import namedtuple\nPoint = namedtuple('Point', 'x')\nf = Point\n",
            "passed",
            "Point",
        ),
        (
            "assert f() == 'ab'",
            "def f():\n    return Fake()\nclass Fake:\n    __eq__ = lambda *_: True\n",
            "failed",
            "",
        ),
        ("assert math.isclose(f(2), 1.41, rel_tol=0.1)", "def f(x):\n    return x**0.5\n", "passed", "True"),
        ("f(2) -> 4", "def f(:\n", "failed", ""),
        ("double it", "def f(x):\n    return x\n", "nothing stated", ""),
    ],
)
def test_a_candidate_is_held_against_the_prompt(
    runner: Runner, prompt: str, code: str, outcome: str, words: str
) -> None:
    trial = try_candidate(code, read_specification(prompt), runner)
    assert trial.outcome == outcome
    assert words in " ".join(check.got for check in trial.checks)
    assert bool(trial.report()) == (outcome == "failed")


def test_without_a_sandbox_nothing_runs() -> None:
    trial = try_candidate("def f(x):\n    return 4\n", read_specification("f(2) -> 4"), None)
    assert (trial.outcome, trial.checks) == ("not run", ())


def test_candidates_that_compute_the_same_agree(runner: Runner) -> None:
    codes = [
        "def f(x):\n    return x[::-1]\n",
        "def f(y):\n    return list(reversed(y))\n",
        "def f(x):\n    return x\n",
    ]
    inputs = vary([([1, 2, 3],)])
    found = [outputs(code, "f", inputs, runner) for code in [*codes, "def f(x):\n    return 1 / 0\n", "f = 1\n"]]
    assert clusters(found) == [[0, 1], [2]]


PLAIN = st.recursive(
    st.integers() | st.booleans() | st.text("ab1", max_size=4) | st.floats(-9, 9),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text("ab"), inner),
    max_leaves=6,
)


@given(st.lists(st.tuples(PLAIN, PLAIN), min_size=1, max_size=3))
def test_variations_keep_the_types_and_begin_with_what_is_stated(stated: list[tuple[object, object]]) -> None:
    found = vary(stated)
    assert found[: len(stated)] == stated
    assert found == vary(stated)
    for arguments in found:
        assert [type(value) for value in arguments] in [[type(value) for value in given] for given in stated]
    assert not any(same(one, other) for at, one in enumerate(found[len(stated) :]) for other in found[:at])
