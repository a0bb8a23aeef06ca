"""The search mends what one small edit mends, several times over, and never claims more."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatllm.review.critics import compile_error, same_tree
from gatllm.review.search import search


@pytest.mark.parametrize(
    ("broken", "fixed"),
    [
        ("def f(x)\n    return x\n", "def f(x):\n    return x\n"),
        ("print('a'\nx = 1\n", "print('a')\nx = 1\n"),
        ("x = [1, 2)\n", "x = [1, 2]\n"),
        ("x = (1, 2))\n", "x = (1, 2)\n"),
        ("def f():\nreturn 1\n", "def f():\n    return 1\n"),
        ("def f():\n    x = 1\n      return x\n", "def f():\n    x = 1\n    return x\n"),
        ("whlie True:\n    pass\n", "while True:\n    pass\n"),
    ],
)
def test_common_slips(broken: str, fixed: str) -> None:
    found = search(broken)
    assert found is not None
    assert same_tree(found, fixed)


def test_several_errors_far_apart() -> None:
    found = search("def f(x)\n    return x\n\n\ndef g(y):\n    return (y\n\n\nclass A\n    pass\n")
    assert found is not None
    assert compile_error(found) is None


def test_what_compiles_is_left_alone() -> None:
    assert search("x = 1\n") == "x = 1\n"


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="abc()[]:=+'\"\n \t#\\,.", max_size=60))
def test_any_text_gets_a_compiling_one_or_none(text: str) -> None:
    found = search(text, tries=60, rounds=2)
    assert found is None or compile_error(found) is None


def test_the_edit_that_moves_the_error_furthest_is_not_always_the_right_one() -> None:
    broken = "def mean(values:\n    total = 0\n    for value in values\n        total += value\n"
    assert search(broken) == broken.replace("(values:", "(values):").replace("in values\n", "in values:\n")
