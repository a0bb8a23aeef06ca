"""What a passage is shown with: the helpers that it calls, or nothing at all where they are not there."""

import pytest

from gatllm.answering.library.needs import needs_of

RECORD = """import re
from math import sqrt as root

LIMIT = 10
_word = re.compile(r"\\w+")


def helper(n):
    return n % LIMIT


@staticmethod
def decorated(n):
    return root(n)


def alone(values):
    return [value for value in values if len(str(value)) > 1]


def uses(n):
    return helper(n) + len(_word.findall(str(n)))


def recursive(n):
    return n and recursive(n - 1)


def lost(n):
    return elsewhere(n)


def calls_lost(n):
    return lost(n)


class Box:
    def get(self):
        return decorated(self.n)
"""


def passage(name: str) -> str:
    start = RECORD.index(f"def {name}(")
    return RECORD[start:].partition("\n\n")[0]


@pytest.mark.parametrize("name", ["alone", "recursive"])
def test_what_stands_alone_needs_nothing(name: str) -> None:
    assert needs_of(passage(name), RECORD) == ""


def test_helpers_bring_what_they_use_themselves() -> None:
    needs = needs_of(passage("uses"), RECORD)
    assert needs is not None
    assert needs.startswith("import re\nLIMIT = 10\n_word = ")
    assert needs.endswith("def helper(n):\n    return n % LIMIT")
    found: dict[str, object] = {}
    exec(f"{needs}\n{passage('uses')}\nresult = uses(23)", found)  # noqa: S102  # this file's own text
    assert found["result"] == 4


def test_a_method_is_read_without_its_class_and_decorators_come_along() -> None:
    needs = needs_of("    def get(self):\n        return decorated(self.n)\n", RECORD)
    assert needs is not None
    assert "@staticmethod\ndef decorated" in needs
    assert "sqrt as root" in needs


@pytest.mark.parametrize("name", ["lost", "calls_lost"])
def test_what_calls_what_is_not_there_is_left_out(name: str) -> None:
    assert needs_of(passage(name), RECORD) is None


@pytest.mark.parametrize("broken", ["def f(:", "def f():\n    return " + "(" * 5000, "\0"])
def test_what_cannot_be_read_is_left_out(broken: str) -> None:
    assert needs_of(broken, RECORD) is None
    assert needs_of("def f():\n    return helper(1)\n", broken) is None
