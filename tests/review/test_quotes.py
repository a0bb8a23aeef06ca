"""Quotes that a repair adds stand where people put them."""

import pytest

from gatllm.review.quotes import with_blanks_inside


@pytest.mark.parametrize(
    ("before", "after", "meant"),
    [
        ('x = s.split(": )\n', 'x = s.split(":" )\n', 'x = s.split(": ")\n'),
        ('f(a=": , b=1)\n', 'f(a=":" , b=1)\n', 'f(a=": ", b=1)\n'),
        ('m = ("one; \n  "two")\n', 'm = ("one;" \n  "two")\n', 'm = ("one; "\n  "two")\n'),
        ('s =  ".join(x)\n', 's ="  ".join(x)\n', 's = " ".join(x)\n'),
        ('s = f("a" , "b)\n', 's = f("a" , "b")\n', 's = f("a" , "b")\n'),
    ],
)
def test_blanks_at_the_ends_of_a_string_stay_in_it(before: str, after: str, meant: str) -> None:
    assert with_blanks_inside(before, after) == meant
