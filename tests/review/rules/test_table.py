"""Every rule does what its page says."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from gatllm.review import compile_error
from gatllm.review.rules import RULES, Rule, apply_rules
from gatllm.review.rules.pages import pages


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_example_of_a_rule_is_repaired_as_its_page_says(rule: Rule) -> None:
    error = compile_error(rule.before)
    assert error is not None
    assert rule.messages.search(error.message)
    text, left, _ = apply_rules(rule.before, error, time.monotonic() + 10)
    assert left is None
    assert text == rule.after


def test_names_are_unique_and_can_be_typed() -> None:
    names = [rule.name for rule in RULES]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in names)


def test_the_page_is_written_from_the_table() -> None:
    assert (Path(__file__).parents[3] / "docs" / "rules.md").read_text(encoding="utf-8") == pages()
