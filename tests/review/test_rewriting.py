"""The generator's own repair: what it is shown, and what of its answer is taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.review.critics import compile_error
from gatllm.review.rewriting import rewritten

LONG = "class Shop:\n" + "".join(
    f"    def item_{n}(self, price):\n        total = price * {n}\n        return total\n\n" for n in range(12)
)


def answered(broken: str, answer: str) -> tuple[str | None, str]:
    """What becomes of a text where the language model gives one answer, and what it was asked."""
    asked: list[str] = []

    def write(question: str, tokens: int) -> str:
        asked.append(question)
        return f"```python\n{answer}```"

    error = compile_error(broken)
    assert error is not None
    return rewritten(broken, error, write), "".join(asked)


def test_a_short_text_is_shown_whole_with_what_the_compiler_says() -> None:
    broken = "for name in names\n    print(name)\n"
    text, asked = answered(broken, "for name in names:\n    print(name)\n")
    assert text == "for name in names:\n    print(name)\n"
    assert broken in asked
    assert "line 1: expected ':'" in asked


def test_of_a_long_text_the_lines_around_the_error_are_shown_without_their_margin() -> None:
    broken = LONG.replace("price * 7\n", "price * 7)\n")
    assert len(broken.split("\n")) > 40
    asked: list[str] = []

    def write(question: str, tokens: int) -> str:
        asked.append(question.split("```python\n")[1])
        return "```python\n" + asked[0].replace("7)", "7")

    error = compile_error(broken)
    assert error is not None
    assert rewritten(broken, error, write) == LONG
    assert asked[0].startswith("def item_6(self, price):\n    total")
    assert "item_9" not in asked[0]


@pytest.mark.parametrize("margin", ["\t", "  ", "        "])
def test_margins_stay_as_they_were(margin: str) -> None:
    broken = f"def f(x):\n{margin}if x:\n{margin * 2}return g(x\n{margin}return 1\n"
    text, _ = answered(broken, "def f(x):\n    if x:\n        return g(x)\n    return 1\n")
    assert text == broken.replace("g(x\n", "g(x)\n")


def test_what_need_not_differ_is_taken_back() -> None:
    broken = 'x={"a":1,"b":2  # two\ny = x [ "a" ]\n'
    text, _ = answered(broken, 'x = {"a": 1, "b": 2}  # two\ny = x["a"]\n')
    assert text == 'x={"a":1,"b":2}  # two\ny = x [ "a" ]\n'


def test_it_is_asked_again_about_what_is_left_further_down() -> None:
    broken = "a = (1\nb = 2\nc = [3\nd = 4\n"
    answers = iter(["a = (1)\nb = 2\nc = [3\nd = 4\n", "a = (1)\nb = 2\nc = [3]\nd = 4\n"])
    asked: list[str] = []

    def write(question: str, tokens: int) -> str:
        asked.append(question)
        return f"```python\n{next(answers)}```"

    error = compile_error(broken)
    assert error is not None
    assert rewritten(broken, error, write) == "a = (1)\nb = 2\nc = [3]\nd = 4\n"
    assert "line 3" in asked[1]


def test_it_is_not_asked_again_where_nothing_was_gained() -> None:
    assert answered("x = (1\ny = [2\n", "x = (1\ny = [2\n")[1].count("does not compile") == 1


def test_the_end_of_the_text_stays() -> None:
    assert answered("print(1", "print(1)\n")[0] == "print(1)"
    assert answered("print(1\n\n", "print(1)\n")[0] in ("print(1)\n\n", "print(1)\n")


@pytest.mark.parametrize("broken", ['"""```\n', "x = (1,\n" + "é" * 5000 + "\n"])
def test_what_can_not_be_shown_is_not_asked_about(broken: str) -> None:
    assert answered(broken, "x = 1\n") == (None, "")


@given(st.text("ab:()=\n\t ", max_size=40), st.text("ab:()=\n\t `", max_size=40))
def test_what_it_gives_compiles_and_differs(broken: str, answer: str) -> None:
    if compile_error(broken) is None:
        return
    text, _ = answered(broken, answer)
    assert text is None or (text != broken and compile_error(text) is None)
