"""Blocks that lost their indentation, lines that stand there twice, brackets that nothing closes."""

from __future__ import annotations

import pytest

from gatllm.review import compile_error
from gatllm.review.default import load_reviewer
from gatllm.review.effort import Effort
from gatllm.review.rules import apply_rules

CLASS = "class A:\n    def f(self):\n{}\n    def g(self):\n        return 2\n"

REPAIRED = [
    # A block that stands further out than its header ends where the text is as deep as it should be.
    (CLASS.format("if x:\n    y = 1\nelse:\n    y = 2\nself.y = y\n"),
     CLASS.format("        if x:\n            y = 1\n        else:\n            y = 2\n        self.y = y\n")),
    (CLASS.format("return (\n    1,\n)\n"), CLASS.format("        return (\n            1,\n        )\n")),
    (CLASS.format("    return 1\n"), CLASS.format("        return 1\n")),
    ("class A:\n    def f(self):\nself.x = 1\n", "class A:\n    def f(self):\n        self.x = 1\n"),
    # A paragraph is not the last of a function that returns at the margin of the file.
    ("def f(x):\ny = x\n\nz = y\nreturn z\n\nf(1)\n", "def f(x):\n    y = x\n\n    z = y\n    return z\n\nf(1)\n"),
    # What leaves a block ends it.
    ("def f():\n    def g():\n    raise E(\n        1)\n    return g\n",
     "def f():\n    def g():\n        raise E(\n            1)\n    return g\n"),
    # A line twice.
    ("if a:\nif a:\n    b()\n", "if a:\n    b()\n"),
    ("class A:\n    @p\n    def f(self):\n    def f(self):\n        return 1\n",
     "class A:\n    @p\n    def f(self):\n        return 1\n"),
    ("f(\n    a,\n)\n)\nb = 1\n", "f(\n    a,\n)\nb = 1\n"),
    # A closing line that is gone.
    ("A = [\n    1,  # one\n    2,  # two\n\n\n@b\ndef f():\n    pass\n",
     "A = [\n    1,  # one\n    2,  # two\n]\n\n\n@b\ndef f():\n    pass\n"),
    ("def f():\n    return {\n        1: 2,\n\ndef g():\n    pass\n",
     "def f():\n    return {\n        1: 2,\n    }\n\ndef g():\n    pass\n"),
    # A text that breaks off.
    ("import sys\nsys.exit(main()", "import sys\nsys.exit(main())\n"),
    ("x = {\n    1: [2, 3", "x = {\n    1: [2, 3]}\n"),
    ("x = [\n    1,  # one", "x = [\n    1,  # one\n]\n"),
]  # fmt: skip


@pytest.mark.parametrize(("broken", "meant"), REPAIRED)
def test_a_rule_says_where_it_ends(broken: str, meant: str) -> None:
    assert apply_rules(broken, compile_error(broken), Effort.of())[:2] == (meant, None)
    assert load_reviewer(quick=True).fix(broken).text == meant


@pytest.mark.parametrize(
    "broken",
    [
        # Where the function ends nothing says.
        "def f(x):\ny = x\nz = y\n\nprint(z)\n",
        "class A:\n    def f(self):\nself.x = 1\n\nA = A()\n",
        "for a in b:\nc = a\nd = c\n",
        # A statement of its own may have begun.
        "items = [\n    1,\n    2,\nprint(items)",
        "f(\n    a,\nb=2",
        "def f():\n    '''Doc.\nif a:\n    '''\n",
    ],
)
def test_and_is_silent_where_nothing_tells(broken: str) -> None:
    _, _, steps = apply_rules(broken, compile_error(broken), Effort.of())
    assert {step.rule for step in steps}.isdisjoint({"block-not-indented", "line-twice", "text-breaks-off"})


def test_half_a_function_is_not_written() -> None:
    broken = "def f(x):\ny = x\nz = y\n\nprint(z)\n"
    assert not load_reviewer(quick=True).fix(broken).changed
