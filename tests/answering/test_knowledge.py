"""What does not exist is found, what exists is left alone."""

import sys
import urllib.parse

import pytest

from gatllm.answering.knowledge import check_names, correct_names, mentions, reference, unchecked_modules
from gatllm.answering.library import Library

WRONG = [
    ("import math\nmath.sqroot(2)\n", "sqroot", "sqrt"),
    ("import math as m\nm.squareroot(4)\n", "squareroot", ""),
    ("from collections import OrderdDict\n", "OrderdDict", "OrderedDict"),
    ("import os.pth\n", "os.pth", ""),
    ("import jsn\n", "jsn", "json"),
    ("[1].push(2)\n", "push", ""),
    ("'a'.uper()\n", "uper", "upper"),
    ("str.joinn\n", "joinn", "join"),
    ("len([1], 2)\n", "len([1], 2)", ""),
    ("import math\nmath.asing(1)\n", "asing", ""),  # asin and asinh are near
    ("names = ['a']\nnames.add('b')\n", "add", ""),
    ("text = input()\nwords = text.split()\nwords.push('b')\n", "push", ""),
    ("'a b'.split().apend('c')\n", "apend", "append"),
    ("sorted([1], revers=True)\n", "sorted([1], revers=True)", ""),
    ("[1].sort(lambda x: x)\n", "[1].sort(lambda x: x)", ""),
    ("def f():\n    import math\n    return math.sqroot(2)\n", "sqroot", "sqrt"),
    ("import math\nclass A:\n    def math(self): return math.sqroot(2)\n", "sqroot", "sqrt"),
    ("import math\n[math.sqroot(x) for x in range(3)]\n", "sqroot", "sqrt"),
    ("import math\nf = lambda x: math.sqroot(x)\n", "sqroot", "sqrt"),
    ("import random\n\x0crandom.shufle([1])\n", "shufle", "shuffle"),
    ("import random  # \u2028 \x0b \x85\nrandom.shufle([1])\n", "shufle", "shuffle"),
    ("import random\r\nrandom.shufle([1])\r\n", "shufle", "shuffle"),
    ("import random\nrandom.randint(5)\n", "random.randint(5)", ""),
    ("from json import dumps\ndumps()\n", "dumps()", ""),
    ("import os\nos.path.joins('a', 'b')\n", "joins", "join"),
    ("é = 'x'; [].apend(1)\n", "apend", "append"),
    ("import datetime\ndatetime.now()\n", "now", ""),
]


@pytest.mark.parametrize(("code", "found", "suggestion"), WRONG, ids=[found for _, found, _ in WRONG])
def test_what_does_not_exist_is_found_where_it_is(code: str, found: str, suggestion: str) -> None:
    facts = check_names(code)
    assert [(code[fact.start : fact.end], fact.suggestion) for fact in facts] == [(found, suggestion)]
    assert "\n" not in facts[0].message


@pytest.mark.parametrize(
    "code",
    [
        "import math\nmath = object()\nmath.anything\n",
        "def f(json):\n    return json.foo\n",
        "import numpy as np\nnp.whatever()\n",
        "import os\nos.O_BINARY\n",
        "import xml.etree.ElementTree as ET\nET.parse('x')\n",
        "print(*[1], sep='')\nlen(*[[]])\n",
        "import json\njson.loads('1', parse_float=float)\n",
        "import sys\nif hasattr(sys, 'gone'):\n    sys.gone()\n",
        "def f(:\n",
        "class A:\n    def len(self): return self.x\n",
        "import antigravity\nimport tkinter\ntkinter.nothing\n",
        "dict.fromkeys('ab')\nstr.join('a', [])\n''.join([])\n",
        "from numpy import sum\nsum(rows, axis=0)\n",
        "from numpy import *\nsum(rows, axis=0)\nlen(1, 2)\n",
        "def f():\n    from numpy import sum\n    return sum(rows, axis=0)\n",
        "names = ['a']\nnames = set(names)\nnames.add('b')\n",
        "def f(names=[]):\n    names.add(1)\n",
        "try:\n    import tomllib as toml\nexcept ImportError:\n    import tomli as toml\ntoml.anything()\n",
        "import math\ndef f(math):\n    return math.sqroot(2)\n",
        "import math\n[math.sqroot(2) for math in []]\n",
        "import math\ndef g():\n    global math\n    math = 1\nmath.sqroot\n",
        "len = lambda *a: 1\nlen(1, 2)\n",
        "def f(list):\n    return list.push(1)\n",
        "x = 1\nx += 1\nx.anything\n",
        "for text in [1]:\n    text.anything()\n",
        "class A:\n    sum = 1\n    def f(self): return sum([1], 2)\n",
        "def f():\n    x = 'a'\n    def g():\n        nonlocal x\n        x = 1\n    return x.anything()\n",
        "with open('x') as text:\n    text.anything()\n",
        "import os.path\nimport os\nos.getcwd()\n",
        "import random, sys\nif sys.version_info >= (3, 12):\n    random.binomialvariate()\n",
        "@property\ndef f(x): return x\n@property\nclass B: pass\n",
    ],
)
def test_what_may_exist_is_left_alone(code: str) -> None:
    assert check_names(code) == []


def test_nothing_with_a_window_or_a_browser_is_imported() -> None:
    for name in ("antigravity", "this", "turtle"):
        sys.modules.pop(name, None)
        check_names(f"import {name}\n{name}.x()\n")
        assert name not in sys.modules


def test_real_code_gives_no_false_alarm(library: Library) -> None:
    alarms = [
        (library.record(number).origin, fact.message)
        for number in range(len(library))
        for fact in check_names(library.text(number).decode())
    ]
    assert alarms == []


def test_other_peoples_modules_are_named_as_unchecked() -> None:
    assert unchecked_modules("import numpy.linalg, os\nfrom requests import get\nfrom . import x\n") == [
        "numpy",
        "requests",
    ]


@pytest.mark.parametrize("before", ["\x0c", "# \u2028\n", "# \x85 é 🎉\n", '"""\u2029"""\n', "\r\n"])
def test_a_correction_sits_where_the_name_is(before: str) -> None:
    code = f"{before}import random\nrandom.shufle([1])\n"
    corrected, facts = correct_names(code)
    assert corrected == code.replace("shufle", "shuffle")
    assert [fact.suggestion for fact in facts] == ["shuffle"]


@pytest.mark.parametrize(
    ("prompt", "name", "words"),
    [
        ("How do I use `list.reverse_sorted()`?", "list.reverse_sorted", "`list.reverse` and `sorted`"),
        ("how does json.parse_file(path, strict=False) work", "json.parse_file", "no `json.parse_file`"),
        ("Explain `math.sqroot`.", "math.sqroot", "`math.sqrt`"),
        ("what is os.path.joins('a')", "os.path.joins", "`os.path.join`"),
    ],
)
def test_names_in_a_question_that_do_not_exist(prompt: str, name: str, words: str) -> None:
    (mention,) = mentions(prompt)
    assert (mention.name, mention.exists) == (name, False)
    assert words in mention.words


@pytest.mark.parametrize(
    "prompt",
    [
        "open json.txt and `os.py`",
        "see docs.python.org and self.items.append(1)",
        "my.module.f(1) and numpy.sum(x)",
        "e.g. this is it. list. reverse",
        "`sys.version.anything`",
    ],
)
def test_what_is_no_name_of_the_library_is_not_spoken_of(prompt: str) -> None:
    assert mentions(prompt) == []


def test_what_exists_is_described_within_a_budget() -> None:
    found = mentions("`json.loads`, `str.split()`, textwrap.dedent(x) and `list.sorted()`")
    text = reference(found, budget=400)
    assert text.startswith("- There is no `list.sorted`")
    assert "json.loads(s, *," in text
    assert len(text) <= 410


def test_modules_that_make_old_names_on_demand_are_asked_for_them() -> None:
    """`sqlite3` and `urllib.parse` have a `__getattr__`: what it does not know does not exist."""
    assert [each.exists for each in mentions("What do sqlite3.open_database() and urllib.parse.splithost(x) do?")] == [
        False,
        hasattr(urllib.parse, "splithost"),
    ]
