"""Names that nothing defines, and the one that was meant."""

import pytest

from gatllm.review import Reviewer
from gatllm.review.names import with_known_names


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("def top(xs):\n    best = xs[0]\n    return bets\n", "def top(xs):\n    best = xs[0]\n    return best\n"),
        ("x = 'é'; pritn(x)\n", "x = 'é'; print(x)\n"),
        ("import json\nprint(jsn.dumps(1))\n", "import json\nprint(json.dumps(1))\n"),
        ("def f(a1, a2):\n    return a1 + aa1\n", "def f(a1, a2):\n    return a1 + a1\n"),
    ],
)
def test_an_undefined_name_is_the_one_near_it(text: str, meant: str) -> None:
    assert with_known_names(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "def f(row1, row2):\n    return row3\n",  # near to both
        "from m import *\nbest = 1\nprint(bets)\n",  # the star may bring it
        "x = 1\nprint(y)\n",
        "x = 1\nprint(x)\n",
    ],
)
def test_where_several_or_none_are_near_nothing_is_said(text: str) -> None:
    assert with_known_names(text) is None


def test_it_is_suggested_without_a_model_and_never_written() -> None:
    text = "best = 1\nprint(bets)\n"
    repair = Reviewer().fix(text, semantic=True)
    assert repair.text == text
    assert not repair.changed
    assert [candidate.text for candidate in repair.candidates] == ["best = 1\nprint(best)\n"]
