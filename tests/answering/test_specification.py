"""What a prompt states is read as it is meant; what could be read in two ways is not read at all."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.answering.specification import read_specification

STATED = [
    ("assert f(2) == 4", [("f(2)", "value", 4)]),
    ("Your code should pass this test:\nassert f([1, 2]) == [2,\n  4]\nThanks.", [("f([1, 2])", "value", [2, 4])]),
    ("assert 4 == f(2)", [("f(2)", "value", 4)]),
    ("assert f('a') is None", [("f('a')", "value", None)]),
    ("assert not f(3)", [("not f(3)", "true", True)]),
    ("assert math.isclose(f(2), 1.4, rel_tol=0.1)", [("math.isclose(f(2), 1.4, rel_tol=0.1)", "true", True)]),
    ("assert f(x) == 2", []),
    (">>> f(2)\n4\n", [("f(2)", "value", 4)]),
    ('def f(x):\n    """Double.\n    >>> f(2)\n    4\n    """\n', [("f(2)", "value", 4)]),
    (">>> s = Stack()\n>>> s.push(1)\n>>> s.pop()\n1\n", [("s.pop()", "value", 1)]),
    (
        ">>> f(-1)\nTraceback (most recent call last):\n    ...\nValueError: negative\n",
        [("f(-1)", "raises", "ValueError")],
    ),
    (">>> print(f(2))\n4 apples\n", [("print(f(2))", "printed", "4 apples")]),
    (">>> f(2)\nPoint(x=1, y=2)\n", [("f(2)", "text", "Point(x=1, y=2)")]),
    ("f(2) -> 4, f(3) -> 9", [("f(2)", "value", 4), ("f(3)", "value", 9)]),
    ("For example: `f(2)` => `4`.", [("f(2)", "value", 4)]),
    ("f([1,2]) should return 3.", [("f([1,2])", "value", 3)]),
    (
        "f('a, b') must return ['a', 'b'] and f('') must return []",
        [("f('a, b')", "value", ["a", "b"]), ("f('')", "value", [])],
    ),
    ("so that f(10) returns True", [("f(10)", "value", True)]),
    ("f(2.0) returns 1.5.", [("f(2.0)", "value", 1.5)]),
    ("f(-1) should raise a ValueError", [("f(-1)", "raises", "ValueError")]),
    ("f(2) == -4", [("f(2)", "value", -4)]),
    ("has_close([1.0, 2.0], 0.5) ➞ False", [("has_close([1.0, 2.0], 0.5)", "value", False)]),
]  # fmt: skip


@pytest.mark.parametrize(("prompt", "expected"), STATED, ids=[prompt[:30] for prompt, _ in STATED])
def test_what_is_stated_is_read(prompt: str, expected: list[tuple[str, str, object]]) -> None:
    found = read_specification(prompt).examples
    assert [(example.call, example.kind, example.expected) for example in found] == expected
    assert all(example.words for example in found)


@pytest.mark.parametrize(
    "prompt",
    [
        "Why does f(2) return 5?",
        "f(2) currently returns 5 but should return 4",
        "f(2) returns 5 instead of 4",
        "f(2) should not return 4",
        "f(3) returns 3 items",
        "f(2) -> 4, 5",
        "f(2) -> 4 + x",
        "f(2) returns the square",
        "def f(x) -> int: ...",
        "print(2) -> 2",
        "f(x) -> 4",
        "The call f(2) is 4 times faster",
        "f(2) doesn't give 4",
        "f(2) = 50% of it",
        "len('ab') is 2",
        "a text with ( and f( unbalanced",
        "",
    ],
)
def test_what_can_be_read_in_two_ways_is_not_read(prompt: str) -> None:
    assert read_specification(prompt).examples == ()


@pytest.mark.parametrize(
    ("prompt", "function", "parameters"),
    [
        ("write a function named `add_all` that adds", "add_all", None),
        ("def area(r: float, *, unit='m') -> float:", "area", 1),
        ("a function first_word(text)", "first_word", None),
        ("write a function that reverses a string", "", None),
        ("assert abs(area(1) - 3.14) < 0.01", "area", None),
    ],
)
def test_the_name_asked_for(prompt: str, function: str, parameters: int | None) -> None:
    found = read_specification(prompt)
    assert (found.function, found.parameters) == (function, parameters)


def test_the_arguments_of_the_examples() -> None:
    assert read_specification("f(1, [2]) -> 3\nassert set(f(2, [3])) == {1}").arguments() == [(2, [3]), (1, [2])]


@given(st.text(max_size=200))
def test_nothing_makes_it_fail(prompt: str) -> None:
    read_specification(prompt)
    read_specification(f"f(2) -> {prompt}")
    read_specification(f">>> f(2)\n{prompt}")


VALUES = st.recursive(
    st.integers() | st.booleans() | st.none() | st.text("ab '\"\\(,", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=5,
)


@given(VALUES, VALUES)
def test_an_arrow_between_any_two_values(argument: object, value: object) -> None:
    (example,) = read_specification(f"For example, f({argument!r}) -> {value!r}\n").examples
    assert example.expected == value
    assert type(example.expected) is type(value)
    assert json.dumps(example.words)


@pytest.mark.parametrize("between", [" " * 20_000, "\n" * 20_000, " should " * 3_000])
def test_blanks_without_end_behind_a_call_are_read_once(between: str) -> None:
    """Whoever asks the service could stop it with a few thousand blanks otherwise."""
    assert read_specification(f"Write f(x) so that f(1){between}?").examples == ()
