"""What `gatllm explain` says of a rule."""

import subprocess
import sys

import pytest

from gatllm.editor.explaining import explained
from gatllm.errors import UsageError
from gatllm.review.rules import RULES, Rule


@pytest.mark.parametrize(
    ("rule", "word"), [("F821", "undefined"), ("e902", "io-error"), ("syntaxerror", "compiler"), ("suspect", "noqa")]
)
def test_known_rules(rule: str, word: str) -> None:
    assert word in explained(rule).lower()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_of_repair_is_explained(rule: Rule) -> None:
    words = explained(rule.name)
    assert rule.why in words
    assert rule.after.split("\n")[0] in words


@pytest.mark.parametrize("rule", ["", "F", "X99999", "nonsense"])
def test_unknown_rules_are_one_clear_error(rule: str) -> None:
    with pytest.raises(UsageError, match="there is no rule"):
        explained(rule)


def test_from_the_shell() -> None:
    command = [sys.executable, "-m", "gatllm", "explain"]
    assert "undefined" in subprocess.run([*command, "F821"], capture_output=True, text=True, check=True).stdout.lower()
    assert subprocess.run([*command, "nope"], capture_output=True, check=False).returncode == 2
