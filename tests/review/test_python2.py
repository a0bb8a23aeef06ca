"""Python 2 until nothing of it is left."""

import pytest

from gatllm.review import compile_error
from gatllm.review.default import load_reviewer
from gatllm.review.python2 import is_python2, rest_of_python2

CASES = [
    ("print >>err, 'bad', n\n", "print('bad', n, file=err)\n"),
    ("print >>err\nprint\nprint 'x'\n", "print(file=err)\nprint()\nprint('x')\n"),
    ("print >>err, n,\nprint 'x'\n", "print(n, end=\" \", file=err)\nprint('x')\n"),
    ("if d.has_key('a'):\n    print d['a']\n", "if ('a' in d):\n    print(d['a'])\n"),
    ("xs.sort(key=lambda (a, b): b)\n", "xs.sort(key=lambda a_b: a_b[1])\n"),
    ("def area((w, h), unit):\n    return w * h\n", "def area(w_h, unit):\n    w, h = w_h\n    return w * h\n"),
    ("mode = 0644\nbig = 10L\nhexa = 0xFFL\nold = 0777L\n", "mode = 0o644\nbig = 10\nhexa = 0xFF\nold = 0o777\n"),
    ("if a <> b:\n    print `a`\n", "if a != b:\n    print(repr(a))\n"),
    ("show = lambda (n): n * 2\n", "show = lambda n: n * 2\n"),
    ("show = lambda(((n))): n * 2\n", "show = lambda n: n * 2\n"),
    ("show = lambda (n,): n * 2\n", "show = lambda n_: n_[0] * 2\n"),
    (
        "far = lambda (k, (x, y)), z: k + x.k + y * z\n",
        "far = lambda k_x_y, z: k_x_y[0] + k_x_y[1][0].k + k_x_y[1][1] * z\n",
    ),
    ("def far((k, (x, y)), z=1):\n    return k\n", "def far(k_x_y, z=1):\n    k, (x, y) = k_x_y\n    return k\n"),
    ("def far(((x, y))): return x\n", "def far(x_y): x, y = x_y; return x\n"),
    ("def far((n)):\n    return n\n", "def far(n):\n    return n\n"),
    (
        'def far((x, y)):\n    """How far.\n\n    Always."""\n    return x\n',
        'def far(x_y):\n    """How far.\n\n    Always."""\n    x, y = x_y\n    return x\n',
    ),
    ("raise Bad, (2, 'no')\n", "raise Bad(2, 'no')\n"),
    ("raise Bad, (2), trace\n", "raise Bad(2).with_traceback(trace)\n"),
    ("raise Bad(2), None, trace\n", "raise Bad(2).with_traceback(trace)\n"),
    ("raise Bad, None, trace\n", "raise Bad().with_traceback(trace)\n"),
    ("raise Bad, None\n", "raise Bad()\n"),
    (
        "try:\n    go()\nexcept OSError, (code, words):\n    print code\n",
        "try:\n    go()\nexcept OSError as error:\n    code, words = error.args\n    print(code)\n",
    ),
    (
        "try:\n    go()\nexcept (OSError, IOError), self.error:\n    print 1\n",
        "try:\n    go()\nexcept (OSError, IOError) as error:\n    self.error = error\n    print(1)\n",
    ),
    ("print 'a'; print\n", "print('a'); print()\n"),
    ("print; print 'a';\n", "print(); print('a');\n"),
    ("x = `a, 2`\nprint x\n", "x = repr((a, 2))\nprint(x)\n"),
    ("all = [n for n in 1, 2, k if n]\n", "all = [n for n in (1, 2, k) if n]\n"),
]


@pytest.mark.parametrize(("old", "new"), CASES)
def test_an_old_text_becomes_new_as_a_whole(old: str, new: str) -> None:
    assert compile_error(old) is not None or is_python2(old)
    repair = load_reviewer(quick=True).fix(old)
    assert repair.text == (new if compile_error(old) is not None else old)


def test_what_python_3_has_too_is_no_sign() -> None:
    for text in (
        "print(x)\n",
        "print = 3\n",
        "x = print if y else z\n",
        "def f(a=(1, 2)):\n    pass\n",
        "s = '`a` <> b'\n",
    ):
        assert not is_python2(text), text


def test_what_stands_in_strings_stays() -> None:
    text = 'doc = """\nprint >>f, x\nprint\nd.has_key(1)\nprint "a"\n"""\nprint "a"\n'
    assert rest_of_python2(text) == text.removesuffix('print "a"\n') + 'print("a")\n'


def test_a_name_that_is_taken_is_not_taken_again() -> None:
    text = "a_b = 1\nf = lambda (a, b): a\n"
    assert rest_of_python2(text) == text


@pytest.mark.parametrize(
    "old",
    [
        "raise Bad(2), 3\n",  # neither Python knows what that is
        "all = (n for n in 1, 2)\n",
        "try:\n    go()\nexcept OSError, (code):\n    print code\n    error = 2\n",
        "far = lambda (x, y=2): x\n",
    ],
)
def test_what_means_nothing_in_either_is_left(old: str) -> None:
    assert not load_reviewer(quick=True).fix(old).changed
