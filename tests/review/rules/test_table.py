"""Every rule does what its page says."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatllm.review import compile_error
from gatllm.review.critics import Finding
from gatllm.review.default import load_reviewer
from gatllm.review.effort import Effort
from gatllm.review.rules import RULES, Rule, apply_rules
from gatllm.review.rules.pages import pages


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_example_of_a_rule_is_repaired_as_its_page_says(rule: Rule) -> None:
    error = compile_error(rule.before)
    assert error is not None
    assert rule.messages.search(error.message)
    text, left, _ = apply_rules(rule.before, error, Effort.of())
    assert left is None
    assert text == rule.after


_MESSAGES = [
    "invalid syntax",
    "positional argument follows keyword argument",
    "keyword argument repeated: a",
    "unterminated string literal (detected at line 1)",
    "name 'x' is used prior to global declaration",
]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from([rule.before for rule in RULES]), min_size=1, max_size=2),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 6), st.sampled_from([*"()[]{}:,=*'\"\\\n\t é", "()", "f'{"]))),
    st.floats(0, 1),
    st.integers(-1, 5),
    st.sampled_from(_MESSAGES),
)
def test_no_rule_raises_whatever_the_text_and_wherever_the_error_is(
    parts: list[str], edits: list[tuple[float, int, str]], where: float, beyond: int, message: str
) -> None:
    text = "".join(parts)
    for place, cut, new in edits:
        at = int(place * len(text))
        text = text[:at] + new + text[at + cut :]
    at = int(where * len(text))
    line, column = text.count("\n", 0, at) + 1, max(at - text.rfind("\n", 0, at) + beyond, 1)
    for rule in RULES:
        for new in islice(rule.rewrite(text, Finding(line, column, "SyntaxError", message, "compiler")), 40):
            assert isinstance(new, str)


def test_a_call_without_arguments_beside_the_error_is_none_to_reorder() -> None:
    text = "def f():\n    y()\n"
    error = Finding(2, 8, "SyntaxError", "positional argument follows keyword argument", "compiler")
    assert all(isinstance(new, str) for rule in RULES for new in rule.rewrite(text, error))


def test_names_are_unique_and_can_be_typed() -> None:
    names = [rule.name for rule in RULES]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in names)


def test_the_page_is_written_from_the_table() -> None:
    assert (Path(__file__).parents[3] / "docs" / "rules.md").read_text(encoding="utf-8") == pages()


# As CPython 3.12 to 3.14 word it; no such interpreter ran here, so that what they say is read, not seen.
NEWER = [
    ("backslash-before-quote", "unterminated f-string literal (detected at line 1)"),
    ("backslash-before-quote", "invalid syntax. Is this intended to be part of the string?"),
    ("string-of-several-lines", "unterminated f-string literal (detected at line 1)"),
    ("string-of-several-lines", "unterminated t-string literal (detected at line 1)"),
    ("docstring-without-end", "unterminated triple-quoted f-string literal (detected at line 3)"),
    ("brace-of-field", "f-string: expecting '=', or '!', or ':', or '}'"),
    ("brace-of-field", "t-string: single '}' is not allowed"),
    ("keyword-as-name", "invalid syntax. Did you mean 'while'?"),
    ("keyword-as-name", "expected expression before 'if', but statement is given"),
    ("star-alone", "named parameters must follow bare *"),
    ("star-alone", "named arguments must follow bare *"),
    ("await-in-plain-function", "asynchronous comprehension outside of an asynchronous function"),
    ("parentheses-missing", "did you forget parentheses around the comprehension target?"),
    ("positional-after-keyword", "positional argument follows keyword argument unpacking"),
    ("declared-after-use", "name 'x' is used prior to global declaration"),
    ("assignment-in-expression", "invalid syntax. Maybe you meant '==' or ':=' instead of '='?"),
    ("comparison-with-one-sign", "cannot assign to attribute here. Maybe you meant '==' instead of '='?"),
    ("body-missing", "expected an indented block after 'except*' statement on line 3"),
    ("backslash-in-path", "(unicode error) 'unicodeescape' codec can't decode bytes in position 2-3"),
    ("space-after-backslash", "unexpected character after line continuation character"),
    ("keyword-twice", "keyword argument repeated: a"),
    ("brackets-crossed", "f-string: closing parenthesis ')' does not match opening parenthesis '{'"),
]


@pytest.mark.parametrize(("name", "message"), NEWER)
def test_newer_messages_lead_to_the_same_rules(name: str, message: str) -> None:
    (rule,) = (one for one in RULES if one.name == name)
    assert rule.messages.search(message)


def test_lines_end_as_they_did() -> None:
    reviewer = load_reviewer(quick=True)
    for rule in RULES:
        plain = reviewer.fix(rule.before, candidates=3)
        repair = reviewer.fix(rule.before.replace("\n", "\r\n"), candidates=3)
        if "\n" in rule.before:
            texts = [one.text.replace("\n", "\r\n") for one in plain.candidates]
            assert [one.text for one in repair.candidates] == texts, rule.name
            assert repair.text == plain.text.replace("\n", "\r\n"), rule.name
