"""What people type into a session and put right in their next line: kinds read off such lines, in words of our own."""

import pytest

from gatllm.review import Reviewer, compile_error, same_tree
from gatllm.review.default import load_reviewer

MEANT = [
    ('who = "Bo"\nprint("Hi " . who . "!")\n', 'who = "Bo"\nprint("Hi " + who + "!")\n'),
    ('who = "Bo"\nprint(who . "!")\n', 'who = "Bo"\nprint(who + "!")\n'),
    ("row = [1, 2]\nrow{0} = 5\n", "row = [1, 2]\nrow[0] = 5\n"),
    ("ages = {}\nages{'ann'} = 3\n", "ages = {}\nages['ann'] = 3\n"),
    (
        "def half(x):\n    if x:\n        return x / 2\n\ndouble(x):\n    return 2 * x\n\nprint(double(4))\n",
        "def half(x):\n    if x:\n        return x / 2\n\ndef double(x):\n    return 2 * x\n\nprint(double(4))\n",
    ),
    ("import re\nshape = re.compile(r '[a-z]+')\n", "import re\nshape = re.compile(r'[a-z]+')\n"),
    ("n = 3\nprint(f{n}' files found')\n", "n = 3\nprint(f'{n} files found')\n"),
    ("def box(**size):\n    pass\n\nbox(depth=3, width,4)\n", "def box(**size):\n    pass\n\nbox(depth=3, width=4)\n"),
    ("ages = {}\nages.get('ann'.0)\n", "ages = {}\nages.get('ann',0)\n"),
    ("a = 1\nif a:\n\tprint(1)\n    else:\n\tprint(2)\n", "a = 1\nif a:\n\tprint(1)\nelse:\n\tprint(2)\n"),
    ("if x:\n\tprint 'one'\n    elif y:\n\tprint 'two'\n", "if x:\n\tprint('one')\nelif y:\n\tprint('two')\n"),
    ("full name = 'Ann'\nprint(full_name)\n", "full_name = 'Ann'\nprint(full_name)\n"),
    (
        "while True:\n\tkey = read()\n\tif key == 'q':\n\t\tbreak\n\t    show(key)\n",
        "while True:\n\tkey = read()\n\tif key == 'q':\n\t\tbreak\n\tshow(key)\n",
    ),
    (
        "def f(n):\n    if n < 0:\n        return 0\n      m = n + 1\n      return m\n",
        "def f(n):\n    if n < 0:\n        return 0\n    m = n + 1\n    return m\n",
    ),
    ("def f(**more, *rest):\n    pass\n", "def f(*rest, **more):\n    pass\n"),
    ("def f(a, **more, b=1):\n    pass\n", "def f(a, b=1, **more):\n    pass\n"),
    (
        "class A:\n    def f(self):\n        x = 1\n    if x:\n            return x\n        return 2\n",
        "class A:\n    def f(self):\n        x = 1\n        if x:\n            return x\n        return 2\n",
    ),
    ("words = 'It is %s'\nprint(words %s 3)\n", "words = 'It is %s'\nprint(words % 3)\n"),
    ("print('A'),'B')\n", "print('A','B')\n"),
    ("print('Hi ' + who ', you are ' + age)\n", "print('Hi ' + who + ', you are ' + age)\n"),
    ("send('x', {'a': 1}0\nread('x')\n", "send('x', {'a': 1})\nread('x')\n"),
    ("print('Good day\")\nprint(2)\n", "print('Good day')\nprint(2)\n"),
    ("log('w', mode='a', level)\n", "log('w', level, mode='a')\n"),
]
UNSURE = [  # whatever would be written is a guess
    'last name = "Miller"\nprint("done")\n',
    "to send = pack(data)\nprint(data)\n",
    "width = 9\nprint('-'width)\n",
    "rows = [[1, 2], [3]]\nrows[0 1].pop()\n",
    "rows = read()\nrows[]\n",
    "total = 3\nshowtotal)\n",
    "for i in range(3):\n\tfor j in range(i):\n\t    show(j)\n        show(i)\n",
    "who = 'Bo'\nprint('Hi %s.' % who')\n",
    "table = read(path, columns=0,1)\n",
    "rate = scale(grow=0.5, 1.5)\n",
    "for key in keys:\n\tif key:\n\t\tif key == 'q':\n\t\t\tbreak\n\t\t\t\tshow(key)\n",
]


@pytest.fixture(scope="module")
def reviewer() -> Reviewer:
    return load_reviewer(quick=True)


@pytest.mark.parametrize(("broken", "meant"), MEANT)
def test_what_was_meant_is_written(reviewer: Reviewer, broken: str, meant: str) -> None:
    assert compile_error(broken) is not None
    repair = reviewer.fix(broken)
    assert same_tree(repair.text, meant), repair


@pytest.mark.parametrize("broken", UNSURE)
def test_a_guess_is_shown_and_not_written(reviewer: Reviewer, broken: str) -> None:
    assert compile_error(broken) is not None
    assert not reviewer.fix(broken).changed
