"""What people type and put right in their next line, once more (`test_prompt`): clauses, quotes, marks left lying."""

import pytest

from gatllm.review import Reviewer, compile_error, same_tree
from gatllm.review.default import load_reviewer

MEANT = [
    # A clause that stands in the block of its own header.
    (
        "n = 3\nif n > 1:\n    print('a')\n    if n > 2:\n        print('b')\n        else:\n            print('c')\n",
        "n = 3\nif n > 1:\n    print('a')\n    if n > 2:\n        print('b')\n    else:\n        print('c')\n",
    ),
    (
        "def say(tongue):\n\tif tongue == 'de':\n\t\tprint('Ja')\n\t\telif tongue == 'fr':\tprint('Oui')\n\telse:\n"
        "\t\tprint('Yes')\n",
        "def say(tongue):\n\tif tongue == 'de':\n\t\tprint('Ja')\n\telif tongue == 'fr':\tprint('Oui')\n\telse:\n"
        "\t\tprint('Yes')\n",
    ),
    (
        "try:\n    n = int(word)\n    if n < 0:\n        print('below')\n    except ValueError:\n        print('no')\n",
        "try:\n    n = int(word)\n    if n < 0:\n        print('below')\nexcept ValueError:\n    print('no')\n",
    ),
    (
        "if m <= 2:\n\tprint('winter')\n\telse if m <= 5:\n\t\tprint('spring')\n",
        "if m <= 2:\n\tprint('winter')\nelif m <= 5:\n\tprint('spring')\n",
    ),
    (
        "if a:\n    f()\n    elif b:\n        g()\n    else:\n        h()\n",
        "if a:\n    f()\nelif b:\n    g()\nelse:\n    h()\n",
    ),
    # A blank before a statement at the margin.
    (" with book:\n    rows = book.read()\n    for row in rows:\n        print(row)\n",
     "with book:\n    rows = book.read()\n    for row in rows:\n        print(row)\n"),
    ("x = 1\n y = 2\nprint(x + y)\n", "x = 1\ny = 2\nprint(x + y)\n"),
    # Words run together.
    ("if__name__ == '__main__':\n    main()\n", "if __name__ == '__main__':\n    main()\n"),
    ("class_Box:\n    size = 1\n", "class _Box:\n    size = 1\n"),
    ("age = 3\nifage < 18:\n    print('young')\n", "age = 3\nif age < 18:\n    print('young')\n"),
    ("total = 0\nfor nin rows:\n    total += n\n", "total = 0\nfor n in rows:\n    total += n\n"),
    ("def f(ns):\n    for iin ns:\n        print(i)\n", "def f(ns):\n    for i in ns:\n        print(i)\n"),
    # Two lines in one.
    ("y = 0while y < 3:\n    y = y + 1\n", "y = 0\nwhile y < 3:\n    y = y + 1\n"),
    (
        "class Box:\n    count = 0def __init__(self):\n        self.n = 1\n",
        "class Box:\n    count = 0\n    def __init__(self):\n        self.n = 1\n",
    ),
    ("def f():\n    global n = 4\n    print(n)\n", "def f():\n    global n\n    n = 4\n    print(n)\n"),
    # Quotes.
    ("book = open('a.txt', 'r' ')\n", "book = open('a.txt', 'r')\n"),
    ("age = int(input('How old are you?' '))\n", "age = int(input('How old are you?'))\n"),
    ("name = \"\"Ann of Rome\"\nprint(name)\n", "name = \"Ann of Rome\"\nprint(name)\n"),
    ("who.name = ''ann'\n", "who.name = 'ann'\n"),
    ('def f():\n    return (\n        f"one {a}<br/>"\n        f"two {b}<br/>""\n    )\n',
     'def f():\n    return (\n        f"one {a}<br/>"\n        f"two {b}<br/>"\n    )\n'),
    ("total = ('points' + 'goals*2)\n", "total = ('points' + 'goals*2')\n"),
    ('eval("12*3)\n', 'eval("12*3")\n'),
    ("rows\nrows.remove(\"plum)\nrows.sort()\n", "rows\nrows.remove(\"plum\")\nrows.sort()\n"),
    ("ages = {}\nages[\"ann']=\"young\"\nages\n", "ages = {}\nages[\"ann\"]=\"young\"\nages\n"),
    ("print(;ready to go')\n", "print('ready to go')\n"),
    # Marks left lying.
    ("print('the end').\nprint('more')\n", "print('the end')\nprint('more')\n"),
    ("marks = {3, 4}.\nfor mark in marks:\n    print(mark)\n", "marks = {3, 4}\nfor mark in marks:\n    print(mark)\n"),
    ("menu = {'a': = 'tea', 'b': = 'milk'}\n", "menu = {'a': 'tea', 'b': 'milk'}\n"),
    ("print('sum', end='-'0)\n", "print('sum', end='-')\n"),
    ("def.longest(words):\n    return max(words)\n", "def longest(words):\n    return max(words)\n"),
    (
        "def f():\n    print('done').\n\nf()\n",
        "def f():\n    print('done')\n\nf()\n",
    ),
    (
        "class Box:\n    def set_size(self, size):\n        return self.__size = size\n",
        "class Box:\n    def set_size(self, size):\n        self.__size = size\n",
    ),
    # Signs and brackets.
    (
        "import os\nprint(os.path.abspath('a.txt')\nos.environ['HOME']='/tmp'\n",
        "import os\nprint(os.path.abspath('a.txt'))\nos.environ['HOME']='/tmp'\n",
    ),
    ("if ready(len(rows):\n    go()\n", "if ready(len(rows)):\n    go()\n"),
    ("if sign == +:\n    print('sum')\n", "if sign == '+':\n    print('sum')\n"),
    ("a, b = 1, 2\nprint(a <= b or a=b)\n", "a, b = 1, 2\nprint(a <= b or a==b)\n"),
    ("names = {'ann', 'bob', 3)\n", "names = {'ann', 'bob', 3}\n"),
    ("class Box:\n    pass\n\nb = new Box\n", "class Box:\n    pass\n\nb = Box()\n"),
    ("word = raw input ('Who? ')\n", "word = raw_input ('Who? ')\n"),
    # What the next sessions showed.
    (
        "try:\n    n = int(word)\n    if n < 0:\n        show(n)\n        except ValueError:\n            show(0)\n",
        "try:\n    n = int(word)\n    if n < 0:\n        show(n)\nexcept ValueError:\n    show(0)\n",
    ),
    (
        "def pick():\n\tkind = input()\n\t\tif kind == 'a':\n\t\t\tprint(1)\n\t\telse:\n\t\t\tprint(2)\n",
        "def pick():\n\tkind = input()\n\tif kind == 'a':\n\t\tprint(1)\n\telse:\n\t\tprint(2)\n",
    ),
    ("ages = {'ann': 3, \\'bob': 4}\n", "ages = {'ann': 3, 'bob': 4}\n"),
    ("tree = {'a': {'b': 1\\}}\n", "tree = {'a': {'b': 1}}\n"),
    ("print('{} is odd').format(n))\n", "print('{} is odd'.format(n))\n"),
    (
        "for n in ns:\n    if n % 2:\n        print('{} is odd'.format(n)\n    else:\n        print(n)\n",
        "for n in ns:\n    if n % 2:\n        print('{} is odd'.format(n))\n    else:\n        print(n)\n",
    ),
    ("price = 2.5\nprint(f'It costs {price:.2f')\n", "price = 2.5\nprint(f'It costs {price:.2f}')\n"),
    ("print(f'mean {(a + b)/2')\n", "print(f'mean {(a + b)/2}')\n"),
    ("for n in ns:\n    print(f'n is {n]')\n", "for n in ns:\n    print(f'n is {n}')\n"),
    ("for a, b = in pairs:\n    print(a)\n", "for a, b in pairs:\n    print(a)\n"),
    ("print('Hi ', name, sep'')\n", "print('Hi ', name, sep='')\n"),
    ("for key ages.items():\n    print(key)\n", "for key in ages.items():\n    print(key)\n"),
    ("ages = {'ann': 3, 'bob': 4}'\nprint(ages)\n", "ages = {'ann': 3, 'bob': 4}\nprint(ages)\n"),
    ("who = input('Who?') print ('Hi', who)\n", "who = input('Who?')\nprint ('Hi', who)\n"),
    ("'abc'\n'ann's house'\n", "'abc'\n\"ann's house\"\n"),
    ("if 3 is not in ns:\n    print(3)\n", "if 3 not in ns:\n    print(3)\n"),
    ("for n is ns:\n    print(n)\n", "for n in ns:\n    print(n)\n"),
    ("or n in range(3):\n    print(n)\n", "for n in range(3):\n    print(n)\n"),
    ("n = 3\nwhlie (n <= 9):\n\tn = n+1\n", "n = 3\nwhile (n <= 9):\n\tn = n+1\n"),
    ("rows = ['a']\nrows append ('b')\n", "rows = ['a']\nrows.append ('b')\n"),
    (
        "for i in range(9):\n\tif i <= 3:\n\t\tprint(i)\n\telse:\n\t\tfor k in range(i - 3)\n\t\t\tprint('-',end='')\n"
        "\t\tprint()\n",
        "for i in range(9):\n\tif i <= 3:\n\t\tprint(i)\n\telse:\n\t\tfor k in range(i - 3):\n\t\t\tprint('-',end='')\n"
        "\t\tprint()\n",
    ),
]  # fmt: skip
UNSURE = [  # whatever would be written is a guess
    "def told(x):\n    return f'(\n{x.text()})'\n",
    "for n in ns:\n    if n:\n        f(n)\n    g(n)\n    else:\n        h()\n",  # of the loop, or of the condition
    "while n < 7:\n    n += 1\n    else:\n        print('done')\n",
    "print(1:, first, 2:, second)\n",
    "name[::-1] 'abc'[::-1]\n",
    "'abc'[::-1] 'def'[::-1]\n",
    "pairs = {\n    1: 2,\n    2: 3'\n}\n",
    "frame.groupby('a').\n    mean()\n",
    "x = maths.\nprint(x)\n",
    "f = lambda:\n",
    "names = dict({'ann': 1),('bob': 2})\n",
    "box=2{'ann': 3, 'bob': 4}\n",
    "word[0:3+:1]\n",
    "n\nk=[ :5]\nrows=n[9: ]\n",
    "k\nk=[ :5]\nu=x[10: ]\n",
    "n\nrows=[k=n[ :4]\nn\n",
    "import datetime\ndef age(day):\n    return str(datetime.year-day.year=((1, 2)<(day.month, day.day)))+' years'\n",
    "class Box:\n    global rows=[]\n    def __init__(self):\n        rows.append(self)\n",
    "class Box:\n    def __eq__(self, other):\n        return self.size = other\n",
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


@pytest.mark.parametrize("broken", UNSURE)
def test_a_guess_is_shown_and_not_written(reviewer: Reviewer, broken: str) -> None:
    assert compile_error(broken) is not None
    assert not reviewer.fix(broken).changed, reviewer.fix(broken).text


def test_words_keep_their_signs_where_a_quote_of_print_is_put_right(reviewer: Reviewer) -> None:
    repair = reviewer.fix("def f(name):\n    print('她’+ name + '说，好！')\n")
    assert repair.likeliest == "def f(name):\n    print('她'+ name + '说，好！')\n"


@pytest.mark.parametrize(
    ("broken", "meant"),
    [
        ("print('%s: %s' % [name, 3))\n", "print('%s: %s' % (name, 3))\n"),
        ("box = Box([, None)\n", "box = Box([], None)\n"),
        ("if getattr(box, 'full, False):\n    print(1)\n", "if getattr(box, 'full', False):\n    print(1)\n"),
        ("node += mark('), ')')\n", "node += mark(')', ')')\n"),
        (
            "class Box:\n    size int | None\n\n    def full(self):\n        return self.size\n",
            "class Box:\n    size: int | None\n\n    def full(self):\n        return self.size\n",
        ),
        ("warnings.filterwarnings(ignore', category=Late)\n", "warnings.filterwarnings('ignore', category=Late)\n"),
    ],
)
def test_a_rule_leaves_what_reads_otherwise(reviewer: Reviewer, broken: str, meant: str) -> None:
    repair = reviewer.fix(broken)
    assert not repair.changed or same_tree(repair.text, meant), repair
