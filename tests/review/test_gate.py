"""The gate: what carries meaning survives a repair, or the repair is a suggestion."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatllm.review import Reviewer, compile_error
from gatllm.review.default import load_reviewer
from gatllm.review.gate import Step, harm, minimal

FUNCTIONS = [
    """\
def total(prices, rate=1.19):
    out = []
    for price in prices:
        out.append(price * rate)
    return sum(out)
""",
    """\
class Shelf:
    def __init__(self, names):
        self.names = dict(names)

    def get(self, key):
        if key not in self.names:
            raise KeyError(f"no {key!r}")
        return self.names[key]
""",
    """\
import re

WORD = re.compile(r"\\w+\\.")

def words(text):
    '''Return the words.'''
    return [m.group() for m in WORD.finditer(text) if m]
""",
    """\
async def fetch(urls, limit=3):
    async with pool(limit) as p:
        rows = [await p.get(u) for u in urls]
    return {u: r for u, r in zip(urls, rows)} or None
""",
]


def words(text: str) -> str:
    """Every letter and digit of a text in order: what no bracket, mark or indentation changes."""
    return "".join(re.findall(r"\w+", text))


@pytest.fixture(scope="module")
def reviewer() -> Reviewer:
    return load_reviewer(quick=True)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_word_vanishes_or_appears_where_a_bracket_a_mark_or_an_indentation_was_lost(
    reviewer: Reviewer, data: st.DataObject
) -> None:
    text = data.draw(st.sampled_from(FUNCTIONS))
    broken = text
    for _ in range(data.draw(st.integers(1, 3))):
        places = [at for at, letter in enumerate(broken) if letter in "()[]{}:,"]
        at = data.draw(st.sampled_from(places))
        broken = broken[:at] + data.draw(st.sampled_from(["", "(", ")", ":", ","])) + broken[at + 1 :]
    repair = reviewer.fix(broken)
    if repair.changed:
        assert compile_error(repair.text) is None
        assert words(repair.text) == words(broken)


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("await sleep(1)\n", "sleep(1)\n", "`await` would vanish"),
        ("def add(a, b:\n    return a\n", "def bar(a, b):\n    return a\n", "`add` would vanish"),
        ("total -=a b\n", "total =a, b\n", "`-=` would vanish"),
        ("x = 1 2\n", "x = 1\n", "`2` would vanish"),
        ("x = 1 2\n", "x = 1 + 2\n", "`+` would appear"),
        ("def f():\nx = 1\n", "def f():\n    pass\nx = 1\n", "`pass` would appear"),
        ('f = open("C:\\Users\\me")\n', 'f = open("C:sers\\me")\n', "`\\U` would vanish"),
        ("s = 'one, two\n", "s = 'one two'\n", "what a string says would change"),
        ("x = [1, 2  # both\ny = 3\n", "x = [1, 2]  # both y = 3\n", "code would become a comment"),
        ("if a:\n    f(\nb = 2\n", "if a:\n    f()\n    b = 2\n", "line 3 would move into the block above it"),
        (
            "def f(x):\n    return len x\n",
            "def f(x):\n    return len, x\n",
            "a comma would make a tuple, where an operator may be missing",
        ),
        ("x = os.\nprint(x)\n", "x = os. print(x)\n", "a line would become an attribute of the one before"),
        ("a = 'one\n", "a = None\n", "`one` would vanish"),
        ("a = 'one\n", "a = one\n", "`one` of a string would become a name"),
        ("def f(x):\n    return the x\n", "def f(x):\n    return the, x\n", "`the` is defined nowhere"),
        ("f() = 2\n", "f,() = 2\n", "a call would come apart"),
        ("print >>f, x y\n", "print >>f, x, y\n", "`print >>` of Python 2 would stay"),
        ("x = 1 + \\ \n2\n", "x = 1 + '\\ '\n2\n", "code would become a string"),
    ],
)
def test_what_was_not_asked_for_is_named(before: str, after: str, why: str) -> None:
    found = harm(before, after)
    assert (why in found) if why else not found, found


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("def f(a, b:\n    return a\n", "def f(a, b):\n    return a\n"),
        ("whlie x:\n    x -= 1\n", "while x:\n    x -= 1\n"),
        ("def f():\n    retrun 1\n", "def f():\n    return 1\n"),
        ("def def f():\n    return 1\n", "def f():\n    return 1\n"),
        ("for i range(3):\n    print(i)\n", "for i in range(3):\n    print(i)\n"),
        ("from os path\n", "from os import path\n"),
        ("if a && b:\n    c()\n", "if a and b:\n    c()\n"),
        ("returnx\n", "return x\n"),
        ("print('hello)\n", "print('hello')\n"),
        (
            "class A:\n    x = 1\n\ndef f(self):\n    return 1\n",
            "class A:\n    x = 1\n\n    def f(self):\n        return 1\n",
        ),
        ("def f():\nx = 1\nreturn x\n", "def f():\n    x = 1\n    return x\n"),
    ],
)
def test_what_the_grammar_asks_for_passes(before: str, after: str) -> None:
    assert harm(before, after) == ()


def test_what_a_named_rule_did_passes_once() -> None:
    before, after = "print a\n", "print(repr(a))\n"
    step = Step("x `a`\n", "x repr(a)\n", "repr-of-python-two")
    assert harm(before, after) == ("`repr` would appear",)
    assert harm(before, after, [step]) == ()
    assert harm(before + before, after + after, [step]) == ("`repr` would appear",)


def test_edits_that_nothing_needs_are_dropped() -> None:
    before = "def bar(a):\n    x = -1\n    return [a, x\n"
    assert minimal(before, "def bar (a):\n    x = - 1\n    return [a, x]\n") == before[:-1] + "]\n"


def test_what_is_the_same_in_a_long_text_costs_nothing() -> None:
    long = "x = 1\n" * 100_000
    assert harm(long + "f(\n", long + "f()\n") == ()
    assert harm(long + "f(a b)\n", long + "f(a)\n") == ("`b` would vanish",)


@pytest.mark.parametrize(
    "text",
    [
        "async def main():\n    pass\n\nawait main()\n",
        "x = 3\nif x > 2:\n    break\nprint(x)\n",
        "def f(a, a):\n    return a\n",
        "x = 1\nreturn x\n",
        "yield 3\n",
    ],
)
def test_what_parses_and_does_not_compile_is_left_with_the_compilers_words(reviewer: Reviewer, text: str) -> None:
    repair = reviewer.fix(text)
    assert not repair.changed
    assert repair.why.startswith("line ")


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (
            "def f_executable) -> str:\n    pass\n",
            "def f(_executable) -> str:\n    pass\n",
            "`f_executable` would vanish",
        ),
        ("x = 'Ending  + self.end\ny = self\n", "x = 'Ending  + self.end'\ny = self\n", "code would become a string"),
        ("x = y not in  \\t'\n", "x = y not in'  \\t'\n", "code would become a string"),
        ('x = f"<a {y}#{z}>\n', 'x = f"<a{y}#{z}>"\n', "what a string says would change"),
    ],
)
def test_a_quote_or_a_bracket_in_the_wrong_place_is_named(before: str, after: str, why: str) -> None:
    assert why in harm(before, after)


@pytest.mark.parametrize(
    "text",
    [
        'def f(a, b):\n    """"Set `a` to ``b``.\n\n    See `g`.\n    """\n    return [a, b\n',
        'def f(a:\n    """Return the `a`, or print it.\n\n    print the value\n    """\n    return a\n',
        "# Use `x` or ``y``.\ndef f(a:\n    return a  # the `a`\n",
    ],
)
def test_backticks_of_prose_stay(reviewer: Reviewer, text: str) -> None:
    repair = reviewer.fix(text)
    assert repair.text.count("`") == text.count("`")
    assert "repr" not in repair.text


@pytest.mark.parametrize(
    ("broken", "meant"),
    [
        ("rows.append((name, total)\nprint(rows)\n", "rows.append((name, total))\nprint(rows)\n"),
        ("def f(a):\n    return dict(([a, 1], [a, 2])\n", "def f(a):\n    return dict(([a, 1], [a, 2]))\n"),
    ],
)
def test_what_was_never_closed_is_closed_before_an_opening_is_taken_away(
    reviewer: Reviewer, broken: str, meant: str
) -> None:
    assert reviewer.fix(broken).text == meant
