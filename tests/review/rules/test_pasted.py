"""What pasting leaves goes, and nothing that was meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.review.critics import compile_error
from gatllm.review.effort import Effort
from gatllm.review.rules import apply_rules
from gatllm.review.rules.pasted import cleaned

PASTES = [
    ("print(“hello”, ‘x’)\n", "print(\"hello\", 'x')\n"),
    ("x = 3 − 1\n", "x = 3 - 1\n"),
    ("def f(x):\n\u00a0\u00a0\u00a0 return\u200b x\n", "def f(x):\n    return x\n"),
    ("```python\ndef f(x):\n    return x\n```\n", "def f(x):\n    return x\n"),
    (">>> x = 1\n>>> if x:\n...     x\n...\n1\n", "x = 1\nif x:\n    x\n\n# 1\n"),
    (">>> f\n<function f at 0x1>\n>>> x = 1\n", "f\n# <function f at 0x1>\nx = 1\n"),
    ("import os\n>>> x = 1\n", "import os\nx = 1\n"),
    ("In [1]: import os\nIn [2]: x = 1\n", "import os\nx = 1\n"),
    ("if a &lt; b:\n    c = a &amp; b\n", "if a < b:\n    c = a & b\n"),
    ("8  def f(x):\n9  \n10     return x\n", "def f(x):\n\n    return x\n"),
]


def _mended(text: str) -> str:
    return apply_rules(text, compile_error(text), Effort.of())[0]


@pytest.mark.parametrize(("pasted", "clean"), PASTES, ids=[pasted.split("\n")[0] for pasted, _ in PASTES])
def test_what_pasting_left_goes(pasted: str, clean: str) -> None:
    assert _mended(pasted) == clean
    assert compile_error(clean) is None


def test_strings_that_compile_keep_their_signs() -> None:
    text = 'x = "“quoted” – &lt;b&gt;"\ny = ‘z’\n'
    assert _mended(text) == "x = \"“quoted” – &lt;b&gt;\"\ny = 'z'\n"


def test_the_sides_of_a_conflict_are_for_people_to_choose() -> None:
    text = "<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> other\n"
    assert _mended(text) == text


def test_numbers_that_do_not_count_lines_stay() -> None:
    assert list(cleaned("1 x\n3 y\n", 0, 3)) == []


@given(st.text(alphabet="“”‘> .`1234 \n\u00a0&;ltx", max_size=60))
def test_any_text_is_taken(text: str) -> None:
    for end in range(len(text)):
        assert all(isinstance(new, str) for new in cleaned(text, 0, end))
    assert isinstance(_mended(text), str)
