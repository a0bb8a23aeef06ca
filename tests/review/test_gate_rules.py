"""The gate, condition by condition: what each of its rules names, and what stands just beside it and passes."""

import pytest

from gatllm.review.gate import Step, harm, minimal

TUPLE = "a comma would make a tuple, where an operator may be missing"
STRING = "code would become a string"
SAYS = "what a string says would change"
FIRST = "line 2 would move into the block above it"
JOINED = "line 2 would move into the line of the header before it"
ODD = "line 2 would stand at a margin that nothing else has"
OPERAND = "a decorator would become an operand"
BLANK = "a string of blanks would be empty"
FIELD = "a field of an f-string may begin or end elsewhere"
MOVED = "line 3 would move into the block above it"


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        # Words and operators: a small rule covers a difference, or it is named.
        ("f = !ls\ng(\n", "f = not ls\ng()\n", ("`!` would vanish", "`not` would appear")),
        ("if !a:\n    b(\n", "if not a:\n    b()\n", ()),
        ("imp ort os\nf(\n", "import os\nf()\n", ()),
        ("x = foo bar\nf(\n", "x = foobar\nf()\n", (
            "`foo` would vanish", "`bar` would vanish", "`foobar` would appear",
        )),
        ("x = a = = b\n", "x = a == b\n", ()),
        ("x = Nne\nf(\n", "x = None\nf()\n", ("`Nne` would vanish", "`None` would appear")),
        ("x = none\nf(\n", "x = None\nf()\n", ()),
        ("retrun x\n", "return x\n", ()),
        ("whlie = 1\nf(\n", "while_ = 1\nf()\n", ("`whlie` would vanish", "`while_` would appear")),
        ("x = = 1\n", "x = 1\n", ()),
        ("x = y y\n", "x = y\n", ("`y` would vanish",)),
        ("x = $y\n", "x = y\n", ()),
        ("x = $y +\n", "x = y\n", ("`+` would vanish",)),
        ("class A:\n    def f(self):\n        selfx = 1\n        return selfx(\n",
         "class A:\n    def f(self):\n        selfx = 1\n        return selfx()\n", ()),
        ("selfname = 1\nself name(\n", "selfname = 1\nself.name()\n", ()),
        ("other name(\n", "other.name()\n", ("`.` would appear",)),
        ("for i xs:\n    f(i)\n", "for i in xs:\n    f(i)\n", ()),
        ("with f() g:\n    pass\n", "with f() as g:\n    pass\n", ()),
        ("a b\n", "a in b\n", ("`in` would appear",)),
        ("a \\\n + b)\n", "a + b\n", ()),
        ("f(1, !a\n", "f(1, not a)\n", ()),
        # A call that is put together again, and a line that is cut in two.
        ("x = f,(1\n", "x = f(1)\n", ()),
        ("x = 3 4 z = 5\n", "x = 3, 4\nz = 5\n", ()),
        # A docstring may hold code, if nothing stands behind it.
        ('"""\nx = 1\n"""\nf(\n', '"""\nx = 1\n"""\nf()\n', ()),
        # A call stays a call, and no number is left alone.
        ("get() = 5\n", "(get) = 5\n", ("a call would come apart",)),
        ("del f()\n", "del ( f)\n", ("a call would come apart",)),
        ("class A(:\n    x = 1\n", "class A:\n    x = 1\n", ()),
        ("dfe f(x):\n    return x\n", "def f(x):\n    return x\n", ()),
        ("print((1)\n", "print(1)\n", ()),
        ("x = 3 4\n", "x = 3\n4\n", ("`4` alone on a line would do nothing",)),
        ("x = 3 4\n", "x = 3, 4\n", (TUPLE,)),
        ("f(\n4\n", "f()\n4\n", ()),
        ("f(\n0x10\nname  # so\n1_000  # so\n", "f()\n0x10\nname  # so\n1_000  # so\n", ()),
        ("f()(1\ng(\n", "f(), (1)\ng()\n", ("a call would come apart", "the value of a line would go nowhere")),
        # What stood at the top level stays there, unless it is the body that a header lacks.
        ("if a:\n    f(\nb = 2\n", "if a:\n    f()\n    b = 2\n", (MOVED,)),
        ("if a:\nb = 2\nf(\n", "if a:\n    b = 2\nf()\n", ()),
        ("if a:\n\nb = 2\nf(\n", "if a:\n\n    b = 2\nf()\n", (MOVED,)),
        ("if a:\n# why\nb = 2\nf(\n", "if a:\n# why\n    b = 2\nf()\n", ()),
        ("class A:\nclass B:\n    x = f(\n", "class A:\n    class B:\n        x = f()\n",
         ("line 2 would move into the block above it",)),
        ("g(\nif a:\n    if b:\n\n    c = 1\n", "g()\nif a:\n    if b:\n\n        c = 1\n",
         ("line 5 would move into the block above it",)),
        ("g(\nif a:\n\nb()\n", "g()\nif a: b()\n", ("line 4 would move into the line of the header before it",)),
        ("g(\nif a:\nb()\n", "g()\nif a: b()\n", ()),
        # A function's body moves whole or not at all, no method leaves its class, no line has a margin of its own.
        ("def f():\na = 1\nb = a\n", "def f():\n    a = 1\nb = a\n", (FIRST,)),
        ("def f():\na = 1\n\nb = a\n", "def f():\n    a = 1\n\nb = a\n", (FIRST,)),
        ("def f():\na = 1\nb = a\n", "def f(): a = 1\nb = a\n", (JOINED,)),
        ("def f():\na = 1\nb = a\n", "def f():\n    a = 1\n    b = a\n", ()),
        ("def f():\na = 1\n\n\nb = a\n", "def f():\n    a = 1\n\n\nb = a\n", ()),
        ("def f():\nreturn 1\nb = f()\n", "def f():\n    return 1\nb = f()\n", ()),
        ("def f():\na = 1\ndef g(): pass\n", "def f():\n    a = 1\ndef g(): pass\n", ()),
        ("def f():\n'Doc.'\n    return 1\n", "def f():\n    'Doc.'\n    return 1\n", ()),
        ("def f():\ndef f():\n    return 1\n", "def f():\n   def f():\n    return 1\n", (ODD,)),
        ("class A:\n    def f(self):\nreturn 1\n", "class A:\n    pass\ndef f(self):\n    return 1\n",
         ("`pass` would appear", "line 2 would leave its class", "line 2 would move out, and its block in")),
        ("def g():\n    for a in b:\n    for a in c:\n        a()\n",
         "def g():\n    pass\nfor a in b:\n    for a in c:\n        a()\n",
         ("`pass` would appear", "line 2 would leave its block, and `pass` would stand for it")),
        ("def g(b):\n    x = 1\n    while b:\n    b.pop()\n", "def g(b):\n    x = 1\nwhile b:\n        b.pop()\n", (
            "line 3 would move out, and its block in",
        )),
        ("a = [\n    1,\n\n@b\ndef f(): pass\n", "a = [\n    1,\n\n]@b\ndef f(): pass\n", (OPERAND,)),
        ("f(*None,)(1)\ng(\n", "f((*None,)(1))\ng()\n", ("`None` can't be unpacked",)),
        # A quote or a brace that may belong elsewhere.
        ("res.append( ')\n", "res.append( '')\n", (BLANK,)),
        ("f({')\n", "f('')\n", ("a string would be empty, and more would change",)),
        ("x = d.get('a', +')\n", "x = d.get('a', +'')\n", ("an operator before a string may belong into it",)),
        ("x = '\n", "x = ''\n", ()),
        ("def f(a: 'A | None):\n    pass\n", "def f(a: 'A' | None):\n    pass\n",
         ("a quote may belong behind the whole type",)),
        ("def f():\n    glboal x\n    x = 1\n", "def f():\n    glboal: x\n    x = 1\n",
         ("`glboal` may be a misspelt keyword",)),
        ("def f():\n    x int\n    x = 1\n", "def f():\n    x: int\n    x = 1\n", ()),
        ('x = ""\\\nabc"""\n', 'x = """"\\\nabc"""\n', ("quotes of a docstring would stay in it",)),
        ("s = f'{a!r, b'\ng()\n", "s = f'{a}!r, b'\ng()\n", (FIELD,)),
        ("s = f'a * b}'\ng()\n", "s = f'a * {b}'\ng()\n", (FIELD,)),
        ("s = f'a b}'\ng()\n", "s = f'a b'\ng()\n", ("a field of an f-string would become text",)),
        ("s = f'{{a}'\ng()\n", "s = f'{a}'\ng()\n", ()),
        ("f('a, b=c)\n", "f('a, b=c')\n", (STRING,)),
        ("f(', *a)\n", "f(', *a')\n", (STRING,)),
        ("f('a, the_b)\n", "f('a, the_b')\n", (STRING,)),
        ("f('a, b)\n", "f('a, b')\n", ()),
        ("str'(in %s)')\n", "str('in %s)')\n", (SAYS,)),
        # Strings and comments stand in the text as they were.
        ("s = 'one, two\nf()\n", "s = 'one, two'\nf()\n", ()),
        ("s = 'one, two\nf()\n", "s = 'one two'\nf()\n", (SAYS, "a mark of a string would vanish")),
        ("s = f'{a, two\nf()\n", "s = f'{a}, two'\nf()\n", ()),
        ("s = f'{a, two\nf()\n", "s = f'{a}, owt'\nf()\n", ("`two` would vanish", "`owt` would appear", SAYS)),
        ("s = one\nf(\n", "s = 'one'\nf()\n", (STRING,)),
        ("s = one'\nf()\n", "s = 'one'\nf()\n", ()),
        ("s = 'a + b\nb = 1\n", "s = 'a + b'\nb = 1\n", (STRING,)),
        ("s = 'a + c\nb = 1\n", "s = 'a + c'\nb = 1\n", ()),
        ('s = """one\nimport os\nf()\n', 's = """one\nimport os\nf()"""\n', (STRING,)),
        ("x = [1, 2  # both\ny = 3\n", "x = [1, 2]  # both y = 3\n", ("code would become a comment",)),
        ("x = [1, 2  # both\ny = 3\n", "x = [1, 2]  # both\ny = 3\n", ()),
        ("def f():\n    'Doc.\n    return 1\n", "def f():\n    'Doc.'\n    return 1\n", ()),
        ("def f():\n    x = 1\n    'Doc.\n    return x\n", "def f():\n    x = 1\n    'Doc.'\n    return x\n",
         ("a string would stand alone on a line",)),
        ("g(\nif a:\n\n  x = 1\n", "g()\nif a:\n\n    x = 1\n", ()),
        ("f(\nclass A:\nx = 1\n", "f()\nclass A:\n    x = 1\n", ()),
        ("def f(x):\n    y = x + x\n    return y or or x\n", "def f(x):\n    y = x + x\n    return y or x\n", ()),
        ("x = the 1\n", "x = the, 1\n", ("`the` is defined nowhere",)),
        ("x = -the 1\n", "x = -the, 1\n", ("`the` is defined nowhere",)),
        ("a = b = 1\nx = a\\\n b\n", "a = b = 1\nx = a, b\n", ()),
        ("import os\nx = os. getcwd(\n", "import os\nx = os.getcwd()\n", ()),
        # What compiles and fails or does nothing as soon as it runs.
        (
            "f = x = y = 1\nprint >>f, x y\n",
            "f = x = y = 1\nprint >>f, x, y\n",
            ("`print >>` of Python 2 would stay", "the value of a line would go nowhere"),
        ),
        ("f() = 2\n", "f,() = 2\n", ("a call would come apart",)),
        ("x = d['a' b]\n", "x = d['a':b]\n", ("a colon would make a slice of a key",)),
        ("x = d[1 b]\nb = 2\n", "x = d[1:b]\nb = 2\n", ()),
        ("def f(x 1):\n    return x\n", "def f(x: 1):\n    return x\n", ("`1` would become a type",)),
        ("def f(x 'T'):\n    return x\n", "def f(x: 'T'):\n    return x\n", ()),
        ("def f(x None):\n    return x\n", "def f(x: None):\n    return x\n", ()),
        ("import os np\nf(\n", "import os, np\nf()\n", ("`np` may be no module",)),
        ("import os sys\nf(\n", "import os, sys\nf()\n", ()),
        ("x = 1 y\ny = 2\n", "x = 1\ny\ny = 2\n", ("`y` alone on a line would do nothing",)),
        ("if a:\n    f(\nend\n", "if a:\n    f()\nend\n", ("`end` alone on a line would fail",)),
        ("if a:\n    f(\nend\nend = 1\n", "if a:\n    f()\nend\nend = 1\n", ()),
        ("f(\nname\n", "f()\nname\n", ()),
        ("x = 1 'one'\n", "x = 1\n'one'\n", ()),
        ("x = 'one' + 'two\n", "x = 'one'\n'two'\n", ("`+` would vanish", "a string would stand alone on a line")),
        ("def f(x):\n    return x the\n", "def f(x):\n    return x, the\n", ("`the` is defined nowhere",)),
        ("from m import *\ndef f(x):\n    return x the\n", "from m import *\ndef f(x):\n    return x, the\n", (TUPLE,)),
        ("def f(x, the):\n    return x the\n", "def f(x, the):\n    return x, the\n", (TUPLE,)),
        ("def f(x, the):\n    return x(x the)\n", "def f(x, the):\n    return x(x, the)\n", ()),
        ("for a b in c:\n    f(a)\n", "for a, b in c:\n    f(a)\n", ()),
    ],
)  # fmt: skip
def test_a_repair_is_harm_only_where_a_rule_says_so(before: str, after: str, found: tuple[str, ...]) -> None:
    assert set(harm(before, after)) == set(found)


def test_what_a_rule_took_away_is_granted_and_nothing_else() -> None:
    before, after = "f(g(1)\n", "f(1)\n"
    assert harm(before, after, (Step(before, after, "a-rule"),)) == ()
    assert harm(f"h()\n{before}", after, (Step(before, after, "a-rule"),)) == (
        "`h` would vanish",
        "a call would come apart",
    )
    assert "a call would come apart" in harm(before, after)
    assert harm("f(\n", "f(g, g)\n", (Step("f(\n", "f(g, g)\n", "a-rule"),)) == ()


def test_a_rule_vouches_for_its_own_words_and_not_for_what_the_model_wrote_before_it() -> None:
    done = "print('a, b')\n"
    assert harm("print 'a, b'\n", done, [Step("print 'a, b'\n", done, "print")]) == ()
    assert harm("print 'a b\n", done, [Step("print 'a, b'\n", done, "print")]) == (SAYS,)
    # The model closed a bracket far away; the rule then rewrote what a line as it was given says.
    closed, doubled = "open('C:\\Users')\nf()\n", "open('C:\\\\Users')\nf()\n"
    assert harm(closed.replace("f()", "f("), doubled, [Step(closed, doubled, "escape")]) == ()
    # Two rules with the model between them: the second goes on from what the first wrote, and from nothing else.
    first = [Step("print 'a b'\nf(\n", "print('a b')\nf(\n", "print")]
    second = Step("print('a b')\nf('x,')\n", "print('a  b')\nf('x, ')\n", "space")
    assert harm("print 'a b'\nf(\n", "print('a  b')\nf()\n", [*first, second]) == (SAYS,)


@pytest.mark.parametrize("name", ["x: int", "async def x(): pass", "class x: pass", "global x", "import a.b as x"])
def test_names_are_known_however_they_are_bound(name: str) -> None:
    before = f"def f(y):\n    return y x\n{name}\n"
    assert harm(before, before.replace("y x", "y, x")) == (TUPLE,)


def test_what_differs_in_a_text_of_any_length_is_found() -> None:
    lines = [f"{'x' * 9_000}_{number} = {number}\n" for number in range(130)]
    for at in (0, 1, 64, 128, 129):
        bad = [*lines[:at], lines[at].replace(" = ", " = f("), *lines[at + 1 :]]
        good = [*lines[:at], lines[at].replace(" = ", " = f(").replace("\n", ")\n"), *lines[at + 1 :]]
        assert harm("".join(bad), "".join(good)) == ()
        lost = [*lines[:at], *lines[at + 1 :]]
        assert f"`{at}` would vanish" in harm("".join(bad), "".join(lost))
        closed = [lines[0].replace(" = ", " = f(").replace("\n", ")\n"), *lines[1:]]
        opened = [closed[0].replace(")", ""), *lines[1:]]
        if at:  # far below the first difference, and above lines that are the same again
            assert f"`{at}` would vanish" in harm("".join(opened), "".join([*closed[:at], *closed[at + 1 :]]))


@pytest.mark.parametrize(
    ("before", "after", "least"),
    [
        ("f(a\n", "f (a)\n", "f(a)\n"),
        ("f(a\n", "f(a)", "f(a)\n"),
        ("def f(a:\n    return [a\n", "def f(a):\n    return [ a]\n", "def f(a):\n    return [a]\n"),
        ("f((a)\ny = 1\n", "f(a)\ny  =  1\n", "f(a)\ny = 1\n"),
        ("x = (1\ny = 2\nz = [3\n", "x = (1)\ny  =  2\nz = [3]\n", "x = (1)\ny = 2\nz = [3]\n"),
    ],
)
def test_a_repair_is_the_least_that_compiles(before: str, after: str, least: str) -> None:
    assert minimal(before, after).strip() == least.strip()
