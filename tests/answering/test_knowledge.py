"""What does not exist is found, what exists is left alone."""

import sys

import pytest

from gatllm.answering.knowledge import check_names, unchecked_modules
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
    ("import random\nrandom.randint(5)\n", "random.randint(5)", ""),
    ("from json import dumps\ndumps()\n", "dumps()", ""),
    ("import os\nos.path.joins('a', 'b')\n", "joins", "join"),
    ("é = 'x'; [].apend(1)\n", "apend", "append"),
    ("import datetime\ndatetime.now()\n", "now", ""),
]


@pytest.mark.parametrize(("code", "found", "better"), WRONG, ids=[found for _, found, _ in WRONG])
def test_what_does_not_exist_is_found_where_it_is(code: str, found: str, better: str) -> None:
    facts = check_names(code)
    assert [(code[fact.start : fact.end], fact.better) for fact in facts] == [(found, better)]
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
