"""Errors of meaning that the shape of a text gives away, and texts that only look like them."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.review import Reviewer
from gatllm.review.edits import rewrite
from gatllm.review.meaning import RULES, doubts, explained

AREA = "def area(width, height):\n    return width * height\n\n\n"

FOUND = [
    ("def f(name):\n    name.strip()\n    return name\n", "unused-result", "    name = name.strip()\n"),
    ("def f(é, name):\n    name.replace('a', é)\n", "unused-result", "    name = name.replace('a', é)\n"),
    ("xs = [2, 1]\nsorted(xs)\n", "unused-result", "xs = sorted(xs)\n"),
    ("'{}'.format(3)\n", "unused-result", None),
    ("def f(path):\n    file = open(path)\n    file.close\n", "method-not-called", "    file.close()\n"),
    ("def main():\n    return 1\n\n\nif __name__ == '__main__':\n    main\n", "method-not-called", "    main()\n"),
    (
        "class A:\n    def go(self): ...\n    def f(self):\n        self.go\n",
        "method-not-called",
        "        self.go()\n",
    ),
    ("count = 1\ncount == 2\n", "comparison-as-statement", "count = 2\n"),
    ("xs = [2, 1]\nxs = xs.sort()\n", "result-is-none", "xs.sort()\n"),
    (AREA + "def g(width, height):\n    return area(height, width)\n", "swapped-arguments", "area(width, height)\n"),
    (
        "class B:\n    def put(self, row, column): ...\n    def f(self, p):\n        self.put(p.column, p.row)\n",
        *("swapped-arguments", "        self.put(p.row, p.column)\n"),
    ),
]


@pytest.mark.parametrize(("text", "rule", "meant"), FOUND, ids=[f"{rule}-{n}" for n, (_, rule, _) in enumerate(FOUND)])
def test_what_is_found_and_what_was_meant(text: str, rule: str, meant: str | None) -> None:
    (doubt,) = doubts(text)
    assert doubt.finding.code == rule
    assert explained(rule)
    if meant is None:
        assert doubt.change is None
    else:
        assert doubt.change is not None
        assert meant in rewrite(text, [doubt.change])
        assert doubts(rewrite(text, [doubt.change])) == []


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos.replace('a', 'b')\n",
        "def f(path):\n    path.replace('b')\n",  # of pathlib
        "def f(node, new):\n    node.parent.replace(node, new)\n",
        "def f(name):\n    try:\n        name.encode('ascii')\n    except UnicodeError:\n        return 1\n",
        "def f(raises, a):\n    with raises(TypeError):\n        a == 1\n        sorted(a)\n",
        "def sorted(x): ...\n\n\nsorted(1)\n",
        "class A:\n    @property\n    def go(self): ...\n    def f(self):\n        self.go\n",
        "def f(thread, wire):\n    thread.join()\n    wire.format()\n",
        "xs = frame()\nxs = xs.sort()\n",
        "for xs in [[1]]:\n    ys = xs\n    ys = ys.append(1)\n",
        AREA + "def g(width, height):\n    return area(width, height)\n",
        AREA + "def transposed(width, height):\n    return area(height, width)\n",
        "def gcd(a, b):\n    return a if not b else gcd(b, a)\n",
        "def f(a, b): ...\ndef f(b, a): ...\ndef g(a, b):\n    f(b, a)\n",
        "def f(x):\n    return x == 1\n",
        "def (:\n",
    ],
)
def test_what_is_meant_so_is_left_in_peace(text: str) -> None:
    assert doubts(text) == []


@given(st.text(max_size=60))
def test_any_text_may_come(text: str) -> None:
    for doubt in doubts(text):
        assert doubt.change is None or ast.parse(rewrite(text, [doubt.change]))


def test_carriage_returns_and_letters_of_several_bytes_move_nothing() -> None:
    text = "é = 'ü'; name = ' a'\r\n'ä'; name.strip()\r\n"
    (doubt,) = doubts(text)
    assert (doubt.finding.line, doubt.finding.column) == (2, 6)
    assert doubt.change is not None
    assert rewrite(text, [doubt.change]).endswith("'ä'; name = name.strip()\r\n")


def test_check_reports_it_and_fix_only_suggests() -> None:
    text = "name = ' a'\nname.strip()\nname.lower()\n"
    review = Reviewer().check(text)
    assert review.verdict == "fake"
    assert [finding.code for finding in review.findings] == ["unused-result"] * 2
    repair = Reviewer().fix(text, semantic=True)
    assert not repair.changed
    assert [one.text for one in repair.candidates] == [
        "name = ' a'\nname = name.strip()\nname.lower()\n",
        "name = ' a'\nname.strip()\nname = name.lower()\n",
    ]
    assert all(one.harm for one in repair.candidates)


def test_every_rule_is_told_by_the_cases() -> None:
    assert {rule for _, rule, _ in FOUND} == set(RULES)
