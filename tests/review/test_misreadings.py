"""Repairs that compile and read otherwise than what stood there; each case names what the gate must doubt."""

import pytest

from gatllm.review import Reviewer
from gatllm.review.default import load_reviewer
from gatllm.review.gate import harm
from gatllm.review.misreadings import misread
from gatllm.review.reading import part

DOUBTED = [
    ("def f(x):\n    g(x)\n        h(x)\n", "def f(x):\n    def g(x):\n        h(x)\n", "definition"),
    ('x = f"{self.name): {y}"\n', 'x = f"{self.name}): {y}"\n', "brace"),
    ('x = f"]name!r}"\n', 'x = f"]{name!r}"\n', "brace"),
    ('x = f"[{label}}"\n', 'x = f"[{label}"\n', "brace"),
    ('x = ffailed {n} times"\n', 'x = "ffailed {n} times"\n', "prefix"),
    ('x = r[0-9]+"\n', 'x = "r[0-9]+"\n', "prefix"),
    ('x = ",\n".join(y)\n', 'x = ""\n"".join(y)\n', "empty"),
    ("x = sub(' , y)\n", "x = sub('' , y)\n", "blanks"),
    ("say('name:  , y)\ny = 1\n", "say('name:  , y')\ny = 1\n", "become a string"),
    ('def f():\n    """Doc.\n    ""\n', 'def f():\n    """Doc.\n    ""\n"""\n', "docstring"),
    ("x = 'setup.py:\n", "x = 'setup'.py\n", "`py`"),
    ("def f():\nx = 1\n", "def f():\n    pass\n    x = 1\n", "`pass`"),
    ("def f(self, n):\n    g(self n)\n", "def f(self, n):\n    g(self.n)\n", "comma"),
    ("x = (a or ' ).join(b)\n", "x = (a or ' ).join(b')\n", "become a string"),
    ("go(ffew '=' in {n}\")\n", "go(\"ffew '=' in {n}\")\n", "prefix"),
    ("x = f'say name!r}'\n", "x = f'say name!{r}'\n", "field"),
    ("x = f'say(a).hex()}.{b}'\n", "x = f'say(a).{hex()}.{b}'\n", "field"),
    ("x = f\"{a['b']['c']\"\n", "x = f\"{a['b']}['c']\"\n", "field"),
    ("x = go(' , '-')\n", "x = go(' ,', '-')\n", "become a string"),
    ("x = f'{a{ on {b}'\n", "x = f'{a}{ on} {b}'\n", "field"),
    (
        "def f():\n    # as it says (\nPEP-8)\n    go()\n",
        "def f():\n    # as it says (\n    PEP(-8)\n    go()\n",
        "comment",
    ),
]
RIGHT = [
    ("def f(\n    x y\n):\n    f(\n        x)\n", "def f(\n    x, y\n):\n    f(\n        x)\n"),
    ("area(w, h):\n    return w * h\n", "def area(w, h):\n    return w * h\n"),
    ('x = f"{self.name: {y}"\n', 'x = f"{self.name}: {y}"\n'),
    ('x = f"({name}"\ny = f"{a)"\n', 'x = f"({name}"\ny = f"{a}"\n'),
    ('def f():\n    ""Doc."""\n', 'def f():\n    """Doc."""\n'),
    ('x = "a\n', 'x = "a"\n'),
    ('x = "\n', 'x = ""\n'),
    ("class A:\n    '''Doc.'''\ndef f():\n", "class A:\n    '''Doc.'''\ndef f():\n    pass\n"),
    ("def f(self):\n    g(self n)\n", "def f(self):\n    g(self.n)\n"),
    ("x = (1\n", "x = (1)\n"),
    ("x = 'first) a\n", "x = 'first) a'\n"),
    ("# a list (\n# of two)\nx = [1, 2\n", "# a list (\n# of two)\nx = [1, 2]\n"),
    ("x = f'{ a} {b'\n", "x = f'{ a} {b}'\n"),
]


@pytest.mark.parametrize(("before", "after", "words"), DOUBTED)
def test_what_reads_otherwise_is_doubted(before: str, after: str, words: str) -> None:
    assert any(words in one for one in misread(before, after, part(before, after)))
    assert harm(before, after)


@pytest.mark.parametrize(("before", "after"), RIGHT)
def test_what_was_meant_is_not(before: str, after: str) -> None:
    assert list(misread(before, after, part(before, after))) == []


@pytest.mark.parametrize("text", ['x = f"{self.name): {y}"\n', 'raise E(ffailed {n} times")\n'])
def test_what_is_doubted_is_not_written(text: str) -> None:
    assert not Reviewer().fix(text).changed


def test_a_builtin_keeps_to_its_arguments_where_a_line_was_repaired() -> None:
    text = "def f(a, b):\n    return max(abs(a - b, 1)\n"
    assert harm(text, "def f(a, b):\n    return max(abs(a - b, 1))\n") == ("`abs` takes fewer arguments",)
    assert harm(text, "def f(a, b):\n    return max(abs(a - b), 1)\n") == ()
    assert harm(f"abs(1, 2)\n{text}", f"abs(1, 2)\n{text.replace('b, 1', 'b), 1')}") == ()


MADE_UP = [
    "x = a $ b\n",
    "x = xs[1;2]\n",
    "say(# status:', '\\n' + text(a))\nsay('# more:', '\\n' + text(b))\n",
    "x = name.partition(#')[0].split(SEP)\n",
    'xs.append(  prev="${WORDS[WORD-1]}"\')\n',
    "x = f'{{{a}{b}}}}'\n",
    'say(msg=fWrong number: {n}.")\n',
    "def f():\n    # Changes everything, the\n including\n    return 1\n",
    "x.append(f'{a}<li><a href=\"#)path}\"><b>{name}</b>')\n",
    "case = $\n",
    "n + 1 = 2\n",
    "[a, b[1], c + 1] = [1, 2, 3]\n",
    "def f(x, None):\n    pass\n",
    "def f(a, *b=3, c=1):\n    pass\n",
    "def f(a=1, d=, c=2):\n    pass\n",
    "f(a={x: for x in y})\n",
    "sizes = {1: 2, 3: 4, 5:}\n",
    "match x x:\n    case 1:\n        pass\n",
    "f'{x}' = 42\n",
    "f'{x}-{y}' = 42\n",
    "(): int\n",
    "def f(x: int=3, y): pass\n",
    "say(end1 + end2 = ' ')\n",
    "Dear John\n",
    "Expected output:\n",
    "The result: %r\n",
    'x = f"""{}\nfoo"""\n',
    "a = b ==%r\n",
    "f = lambda z:\n",
    "f(x:int=3)\n",
    "x = f'a { } b'\n",
    "x = f'{!r}'\n",
    "x = f'{n!g}'\n",
    "x = f'{:2}'\n",
    "x = f'{a $ b}'\n",
    "x = f'{lambda n: n}'\n",
    "rf'{\\'a\\'}'\n",
    "raise Bad(2), 3\n",
    "try:\n    go()\nexcept Bad (a):\n    pass\nexcept Bad, (b):\n    pass\n",
]


@pytest.mark.parametrize("text", MADE_UP)
def test_nothing_is_made_up(text: str) -> None:
    repair = load_reviewer(quick=True).fix(text)
    assert not repair.changed, repair.text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("for n in range 10:\n    print(n)\n", "for n in range(10):\n    print(n)\n"),
        ("for n in range 1, len(xs):\n    print(n)\n", "for n in range(1, len(xs)):\n    print(n)\n"),
        ("try:\n    go()\nexcept A, B, C:\n    pass\n", "try:\n    go()\nexcept (A, B, C):\n    pass\n"),
        ("try:\n    go()\nexcept A, B as e:\n    pass\n", "try:\n    go()\nexcept (A, B) as e:\n    pass\n"),
        ("try:\n    go()\nexcept* A, B:\n    pass\n", "try:\n    go()\nexcept* (A, B):\n    pass\n"),
        ("class A:\n    x int\n    y: str\n", "class A:\n    x: int\n    y: str\n"),
        ("def f:\n    return 1\n", "def f():\n    return 1\n"),
        ("x = f'{d['a']}'\n", "x = f'{d[\"a\"]}'\n"),
        ("x = $name\n", "x = name\n"),
        ("xs = )t for t in ts]\n", "xs = [t for t in ts]\n"),
        ("raise E['not now; later')\n", "raise E('not now; later')\n"),
        ('def f():\n    Initialize the filters."\n', 'def f():\n    "Initialize the filters."\n'),
        (
            "def f():\n    # Half of it\n    # is done.\ngo(1)\n",
            "def f():\n    # Half of it\n    # is done.\n    go(1)\n",
        ),
        ("class A:\n    id: ClassVar[str = 'a'\n", "class A:\n    id: ClassVar[str] = 'a'\n"),
        ("print([1,\n       -2,\n", "print([1,\n       -2,])\n"),
    ],
)
def test_what_is_plain_is_written(before: str, after: str) -> None:
    assert load_reviewer(quick=True).fix(before).text == after
