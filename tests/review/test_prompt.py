"""More of what people type and put right in their next line (`test_sessions`): signs, lost words, lost brackets."""

import pytest

from gatllm.review import Reviewer, compile_error, same_tree
from gatllm.review.default import load_reviewer

MEANT = [
    # A sign typed for its neighbour, or left lying.
    ("rows.sort.(key)\n", "rows.sort(key)\n"),
    ("first = table.[0]\n", "first = table[0]\n"),
    ("print(total°\n", "print(total)\n"),
    ("x = [1, 2, 3】\n", "x = [1, 2, 3]\n"),
    ("plot.`draw(x)\n", "plot.draw(x)\n"),
    ("table.sort($'size')\n", "table.sort('size')\n"),
    ("chart.clear9)\nchart.draw()\n", "chart.clear()\nchart.draw()\n"),
    ("print(abs9-3))\n", "print(abs(-3))\n"),
    ("def size(box)'\n    return box\n", "def size(box):\n    return box\n"),
    ('while True"\n    step()\n', "while True:\n    step()\n"),
    ("word = 'abcd'\nprint(word[1;3])\n", "word = 'abcd'\nprint(word[1:3])\n"),
    ("ages = {'ann': 3, 'bob'; 4}\n", "ages = {'ann': 3, 'bob': 4}\n"),
    ("ages = {'ann': 3; 'bob': 4}\n", "ages = {'ann': 3, 'bob': 4}\n"),
    ("show(1; 2)\n", "show(1, 2)\n"),
    ("ages = {'ann': 3. 'bob': 4}\n", "ages = {'ann': 3, 'bob': 4}\n"),
    ("names = {'ann': 'A'. 'bob': 'B'}\n", "names = {'ann': 'A', 'bob': 'B'}\n"),
    ("show(range(3). 'k')\n", "show(range(3), 'k')\n"),
    ("book = open('a.txt'.'w')\n", "book = open('a.txt','w')\n"),
    (
        "class A:\n    def f(self.other):\n        return other\n",
        "class A:\n    def f(self,other):\n        return other\n",
    ),
    ("def area(width.height):\n    return width * height\n", "def area(width,height):\n    return width * height\n"),
    ('ages = {\'ann": 3, "bob": 4}\n', "ages = {'ann': 3, 'bob': 4}\n"),
    ("show('low\", 3, 'high')\n", "show('low', 3, 'high')\n"),
    ("ready = True\nready = !ready\n", "ready = True\nready = not ready\n"),
    ("total = 9\ntotal // = 2\n", "total = 9\ntotal //= 2\n"),
    ("for i in range(0:20):\n    print(i)\n", "for i in range(0,20):\n    print(i)\n"),
    ("rows = list(range(2,10:2))\n", "rows = list(range(2,10,2))\n"),
    # A word, a sign or brackets left out.
    ("def f(n):\n    for i i range(n):\n        print(i)\n", "def f(n):\n    for i in range(n):\n        print(i)\n"),
    ("for row ni rows:\n    show(row)\n", "for row in rows:\n    show(row)\n"),
    (
        "def f(rows):\n    for row in rows:\n        row['city'] == 'Rome':\n            return row\n",
        "def f(rows):\n    for row in rows:\n        if row['city'] == 'Rome':\n            return row\n",
    ),
    ("'red' in colours:\n    print('yes')\n", "if 'red' in colours:\n    print('yes')\n"),
    ("import random\nrandom choice([1, 2])\n", "import random\nrandom.choice([1, 2])\n"),
    ("rows = [1]\nrows append(2)\n", "rows = [1]\nrows.append(2)\n"),
    ("book open('a.txt')\nprint(book.read())\n", "book = open('a.txt')\nprint(book.read())\n"),
    ("half 1/2\nprint(half)\n", "half = 1/2\nprint(half)\n"),
    ("ages {'ann': 3}\nages['ann']\n", "ages = {'ann': 3}\nages['ann']\n"),
    ("ages{'ann': 3}\nages['ann']\n", "ages = {'ann': 3}\nages['ann']\n"),
    ("squares = n * n for n in range(4)\n", "squares = [n * n for n in range(4)]\n"),
    ("stem(w) for w in words if w\n", "[stem(w) for w in words if w]\n"),
    ("rows = [1]\nlen()rows\n", "rows = [1]\nlen(rows)\n"),
    ("float()36\n", "float(36)\n"),
    ("load(/home/ann/data)\n", "load('/home/ann/data')\n"),
    ("fetch(http://example.org/a)\n", "fetch('http://example.org/a')\n"),
    ("day = '1/2/3'\nday.split(/)\n", "day = '1/2/3'\nday.split('/')\n"),
    ("print('a', end=\\n\\n)\n", "print('a', end='\\n\\n')\n"),
    ("mark = ord(\\u2122)\n", "mark = ord('\\u2122')\n"),
    ("ages.update('ann': 3, 'bob': 4)\n", "ages.update({'ann': 3, 'bob': 4})\n"),
    ("rows.append('ann': 3)\n", "rows.append({'ann': 3})\n"),
    ("ages = ('ann': 3, 'bob': 4)\n", "ages = {'ann': 3, 'bob': 4}\n"),
    (
        "class A:\n    def__init__(self):\n        self.n = 1\n",
        "class A:\n    def __init__(self):\n        self.n = 1\n",
    ),
    ("print(f(3))def g():\n    return 1\n", "print(f(3))\ndef g():\n    return 1\n"),
    ("name = input('Who? ') print('Hi', name)\n", "name = input('Who? ')\nprint('Hi', name)\n"),
    (
        "def f(a):\n    x = a * 2 y = a * 3\n    return x + y\n",
        "def f(a):\n    x = a * 2\n    y = a * 3\n    return x + y\n",
    ),
    ("count = count + 1print(count)\n", "count = count + 1\nprint(count)\n"),
    ("rows = []names = []\n", "rows = []\nnames = []\n"),
    (
        "def squares(ns):\n    out = []\n    for n in ns:\n        out.append(n * n)\nreturn out\n",
        "def squares(ns):\n    out = []\n    for n in ns:\n        out.append(n * n)\n    return out\n",
    ),
    (
        "def best(rows):\n\tlow = min(rows)\nhigh = max(rows)\nreturn high - low\n",
        "def best(rows):\n\tlow = min(rows)\n\thigh = max(rows)\n\treturn high - low\n",
    ),
    ("import add, mul from operator\nadd(1, 2)\n", "from operator import add, mul\nadd(1, 2)\n"),
    ("import my-tools\n", "import my_tools\n"),
    ("ages = {}\nages('ann') = 3\n", "ages = {}\nages['ann'] = 3\n"),
    ("word = 'abc'\nword(1:2)\n", "word = 'abc'\nword[1:2]\n"),
    ("for in in range(3):\n    print(i)\n", "for i in range(3):\n    print(i)\n"),
]
MEANT += [
    ("B M I = 3\nprint(BMI)\n", "BMI = 3\nprint(BMI)\n"),
    ("large string = 'a'\nprint(largeString)\n", "largeString = 'a'\nprint(largeString)\n"),
    ("row1 = 4\nrow 2 = row1\nprint(row2)\n", "row1 = 4\nrow2 = row1\nprint(row2)\n"),
    ("if x:\n\tpart 1=[]\n\tpart1.append(2)\n", "if x:\n\tpart1=[]\n\tpart1.append(2)\n"),
    ("book = open('a.txt')book.close()\n", "book = open('a.txt')\nbook.close()\n"),
    ("key = 5for i in range(3):\n    print(i)\n", "key = 5\nfor i in range(3):\n    print(i)\n"),
    ("g = lambda x: 3x + 1\n", "g = lambda x: 3*x + 1\n"),
    ("km = 10\nmiles = 0.6km\n", "km = 10\nmiles = 0.6*km\n"),
    ("f = lambda x, h: (g(x+2h) - g(x-2h))/(2*h)\n", "f = lambda x, h: (g(x+2*h) - g(x-2*h))/(2*h)\n"),
    ("make(name:'Ann', city:'Rome', age:'3')\n", "make(name='Ann', city='Rome', age='3')\n"),
]
TABS = [  # margins of tabs stay as they are
    ("def put(self,n:)\n\tself.n = n\n", "def put(self,n):\n\tself.n = n\n"),
    ("try:\n\tprint(1 / 0)\nexcept;\n\tprint('no')\n", "try:\n\tprint(1 / 0)\nexcept:\n\tprint('no')\n"),
    ("class A:\n\tdef put(self,n:)\n\t\tself.n = n\n", "class A:\n\tdef put(self,n):\n\t\tself.n = n\n"),
]
UNSURE = [  # whatever would be written is a guess
    'place = "Rome"\nprint("Hello, my name is " first,last, "I work at " place)\n',
    "menu = {'a': 1, 'b': {'c': 'tea', 'd', 'milk'}}\n",
    "show(1:2)\n",
    "def f():\n\t return(10)\n     x=f()\n",
    "def f(rows):\n    total = 0\n    for n in rows:\n        total = total + 1print(total)\n",
    "echo 'hello'\n",
    "total = price(a) tax(b)\n",
    "x = 3\nx == 1:\n    x = x + 1\n",
    "if a == 1:\n    f()\nb == 2:\n    g()\n",
    "pairs = [1, 2; 3, 4]\n",
    "data = split(/home/ann/a b)\n",
    "return x for x in rows\n",
    "sum()3 + 4\n",
    "x = !ls\n",
    "team rows = ['a', 'b', 'c']\n",
    "who = {'mail':'ann@example.org,'age':'20'}\n",
    "size = 3px\n",
]


@pytest.fixture(scope="module")
def reviewer() -> Reviewer:
    return load_reviewer(quick=True)


@pytest.mark.parametrize(("broken", "meant"), MEANT)
def test_what_was_meant_is_written(reviewer: Reviewer, broken: str, meant: str) -> None:
    assert compile_error(broken) is not None
    repair = reviewer.fix(broken)
    assert repair.changed, repair
    assert same_tree(repair.text, meant), repair


@pytest.mark.parametrize(("broken", "meant"), TABS)
def test_tabs_are_left(reviewer: Reviewer, broken: str, meant: str) -> None:
    assert reviewer.fix(broken).text == meant


@pytest.mark.parametrize("broken", UNSURE)
def test_a_guess_is_shown_and_not_written(reviewer: Reviewer, broken: str) -> None:
    assert compile_error(broken) is not None
    assert not reviewer.fix(broken).changed


@pytest.mark.parametrize(
    ("broken", "meant"),
    [
        (
            "def f(node nodes.Element) -> str:\n    return node\n",
            "def f(node: nodes.Element) -> str:\n    return node\n",
        ),
        (
            "def f(\n    a: str,\n    names Mapping[str, str],\n    b: int,\n):\n    return names\n",
            "def f(\n    a: str,\n    names: Mapping[str, str],\n    b: int,\n):\n    return names\n",
        ),
    ],
)
def test_a_rule_makes_nothing_of_what_a_parameter_lacks(reviewer: Reviewer, broken: str, meant: str) -> None:
    repair = reviewer.fix(broken)
    assert not repair.changed or same_tree(repair.text, meant), repair


@pytest.mark.parametrize(
    ("broken", "meant"),
    [
        ("x = f'{os.path.abspath(source):'\n", "x = f'{os.path.abspath(source)}:'\n"),
        (
            'class A:\n    def f(self) -> Iterator[str | Text]":\n        """Doc."""\n',
            'class A:\n    def f(self) -> "Iterator[str | Text]":\n        """Doc."""\n',
        ),
        ("def f(text):\n    return 'requires  + text\n", "def f(text):\n    return 'requires ' + text\n"),
    ],
)
def test_what_is_hardly_likelier_than_not_is_shown_first(reviewer: Reviewer, broken: str, meant: str) -> None:
    repair = reviewer.fix(broken)
    assert (repair.changed, repair.likeliest) == (False, meant)
