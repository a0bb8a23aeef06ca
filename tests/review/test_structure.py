"""Marks say what surrounds a token, on any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.review.structure import STRUCTURAL_FEATURES, structural_features
from gatllm.review.tagger import tokens_of
from gatllm.tokenizers.lexicon import Lexicon

LEXICON = Lexicon.train(["def f(x):\n    return x\n"], size=900)
PIECES = [*"()[]{}\"':=,. #", "\n", "\n    ", "name", "nmae", "def", "for"]


def _marked(text: str) -> dict[str, list[int]]:
    out: dict[str, list[int]] = {}
    for token in tokens_of(LEXICON, text):
        out.setdefault(token.text, []).append(token.mark)
    return out


@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(PIECES), max_size=60).map("".join)))
def test_every_text_has_a_mark_for_each_token(text: str) -> None:
    tokens = tokens_of(LEXICON, text)
    values = structural_features(tokens)
    assert len(values) == len(tokens)
    assert all(0 <= value < STRUCTURAL_FEATURES for value in values)
    assert [token.mark for token in tokens] == values


def test_a_bracket_that_stays_open_is_told_apart() -> None:
    whole, broken = _marked("f(a, (b, c))"), _marked("f(a, (b, c)")
    assert whole["("][0] != broken["("][0]
    assert whole["("][0] != whole["("][1]  # the depth
    assert _marked("f(a]")["]"] != _marked("f[a]")["]"]
    assert _marked("f)")[")"] != _marked("f()")[")"]


@pytest.mark.parametrize(
    ("text", "word", "other"),
    [
        ("def f(total, rate):\n    return total * rat\n", "rat", "total"),  # nearly another
        ("def f(a):\n    return pritn(a)\n", "pritn", "f"),  # two letters exchanged: nearly a builtin
        ("def f(a):\n    return retrun\n", "retrun", "f"),
    ],
)
def test_a_name_that_nothing_binds_is_told_apart(text: str, word: str, other: str) -> None:
    found = _marked(text)
    assert not set(found[word]) & set(found[other])


def test_roles_of_names_differ() -> None:
    found = _marked("def f(key):\n    x = g(key=1)\n    return x.key\n")
    assert len(set(found["key"])) == 3


def test_an_indentation_that_fits_no_block_is_told_apart() -> None:
    good = _marked("if a:\n    b\n    c\n")["\n    "]
    bad = _marked("if a:\n    b\n      c\n")
    assert bad["\n      "][0] not in good
    assert _marked("if a:\n        b\n    c\n")["\n    "][0] not in good


def test_names_in_strings_do_not_count() -> None:
    alone, beside = _marked("x = 'alpha'\nbeta = 1\n"), _marked("x = 1\nbeta = 1\n")
    assert alone["beta"] == beside["beta"]
