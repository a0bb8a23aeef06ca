"""Quotes that a repair adds stand where people put them."""

import pytest

from gatllm.review.quotes import misplaced, with_blanks_inside


@pytest.mark.parametrize(
    ("before", "after", "meant"),
    [
        ('x = s.split(": )\n', 'x = s.split(":" )\n', 'x = s.split(": ")\n'),
        ('f(a=": , b=1)\n', 'f(a=":" , b=1)\n', 'f(a=": ", b=1)\n'),
        ('m = ("one; \n  "two")\n', 'm = ("one;" \n  "two")\n', 'm = ("one; "\n  "two")\n'),
        ('s =  ".join(x)\n', 's ="  ".join(x)\n', 's = " ".join(x)\n'),
        ("x = ' .join(y)\n", "x = '' .join(y)\n", "x = ' '.join(y)\n"),
        ('while now() == " :\n    go()\n', 'while now() == "" :\n    go()\n', 'while now() == " ":\n    go()\n'),
        ("f((a,  '))\n", "f((a,'  '))\n", "f((a, ' '))\n"),
        ("f(a, b')\n", "f(a,' b')\n", "f(a, 'b')\n"),
        ('s = f("a" , "b)\n', 's = f("a" , "b")\n', 's = f("a" , "b")\n'),
    ],
)
def test_blanks_at_the_ends_of_a_string_stay_in_it(before: str, after: str, meant: str) -> None:
    assert with_blanks_inside(before, after) == meant


DOUBTED = [
    ("x = s.split(\"')[0]\n", 'x = s.split("\'")[0]\n', "not clear"),
    ("x = {\n    a:   #bbb',\n}\n", "x = {\n    a:'   #bbb',\n}\n", "part of it"),
    (
        'x = [\n    "if",\n        end",\n    "so",\n]\n',
        'x = [\n    "if",\n        "end",\n    "so",\n]\n',
        "begin with",
    ),
    ("f(\n    'if so'\n    ' then,\n    ' go')\n", "f(\n    'if so'\n    ' then',\n    ' go')\n", "comma"),
]
PLACED = [
    ("x = 'a\n", "x = 'a'\n"),
    ("x = [\n    'a',\n    b',\n    'c',\n]\n", "x = [\n    'a',\n    'b',\n    'c',\n]\n"),
    ("x = [\n    'a',\n    'b,\n    'c',\n]\n", "x = [\n    'a',\n    'b',\n    'c',\n]\n"),
    ("x = {'a':  b'}\n", "x = {'a':  'b'}\n"),
    ("x = '''a''\n", "x = '''a'''\n"),
    ("x = (1\n", "x = (1)\n"),
]


@pytest.mark.parametrize(("before", "after", "doubt"), DOUBTED)
def test_a_quote_that_may_belong_elsewhere_is_doubted(before: str, after: str, doubt: str) -> None:
    assert [why for why in misplaced(before, after) if doubt in why]


@pytest.mark.parametrize(("before", "after"), PLACED)
def test_a_quote_in_its_place_is_not_doubted(before: str, after: str) -> None:
    assert [*misplaced(before, after)] == []
