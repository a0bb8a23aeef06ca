"""Slips of the hand are recognised where they were made, and nowhere else."""

import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.data.families.syntactic import misspell
from gatllm.review.edits import Edit, apply
from gatllm.review.names import Names
from gatllm.review.tags import TAG_IDS, TAGS, Tag
from gatllm.review.typos import foreign, is_typo, typos
from gatllm.tokenizers.lexicon import Lexicon, subwords

LEXICON = Lexicon.train(["def read_csv(path): return path\n"], size=900)


def undone(text: str) -> set[str]:
    """The texts that the edits of `typos` make of ``text``, one at a time."""
    tokens = LEXICON.lex(text)
    return {apply(text, tokens, [Edit(*place)]) for place in typos(tokens)}


@pytest.mark.parametrize(
    ("broken", "meant"),
    [
        ("f(data data)\n", "f(data)\n"),
        ("raisee Error\n", "raise Error\n"),
        ("[x fro x in y]\n", "[x for x in y]\n"),
        ("if a:\n\tpass\nelse:\n    pass\n", "if a:\n    pass\nelse:\n    pass\n"),
        ("task.( cancel)\n", "task.cancel ()\n"),
    ],
)
def test_typos_are_undone(broken: str, meant: str) -> None:
    assert meant in undone(broken)


@pytest.mark.parametrize("text", ["f(g(h))\n", "x = [[1], [2]]\n", 'x = ""\n', "for name in names:\n    print(name)\n"])
def test_good_code_has_none(text: str) -> None:
    assert typos(LEXICON.lex(text)) == {}


@pytest.mark.parametrize(
    ("broken", "meant"),
    [("a || b", "a or b"), ("a && b", "a and b"), ("a <> b", "a != b"), ("a === b", "a == b"), ("a ^^ b", "a ** b")],
)
def test_operators_of_other_languages_become_pythons(broken: str, meant: str) -> None:
    tokens = LEXICON.lex(broken)
    ((odds, edits),) = foreign(tokens, tokens[1].start)
    assert sum(odds) > 0
    assert apply(broken, tokens, edits) == meant
    (elsewhere,) = foreign(tokens, tokens[-1].start)
    assert elsewhere == (odds, edits)
    assert foreign(LEXICON.lex(meant), 0) == []


@pytest.mark.parametrize("text", ['f("=== x ===", y', "q('a || b'", "f = (x) => x", '"""\na && b\n"""'])
def test_operators_in_strings_and_arrows_stay(text: str) -> None:
    assert foreign(LEXICON.lex(text), 0) == []


def test_an_arrow_in_a_condition_is_a_comparison() -> None:
    text = "x = 1\nif x => 3:\n"
    ((_, edits),) = foreign(LEXICON.lex(text), 0)
    assert apply(text, LEXICON.lex(text), edits) == "x = 1\nif x >= 3:\n"


def test_of_many_foreign_operators_the_near_ones_come_first() -> None:
    text = "\n".join(["a && b"] * 9)
    found = foreign(LEXICON.lex(text), len(text) - 4)
    assert 1 < len(found) < 9
    assert apply(text, LEXICON.lex(text), found[0][1]).endswith("a and b")


@given(st.sampled_from([word for word in keyword.kwlist if len(word) > 2]), st.randoms())
def test_a_misspelt_keyword_is_one_slip_away(word: str, random: object) -> None:
    typo = misspell(word, random)  # type: ignore[arg-type]
    assert len(typo) < 2 or is_typo(typo, word)
    assert not is_typo(word, word)


@given(st.text("abcdefghij", min_size=1, max_size=8), st.text("abcdefghij", min_size=1, max_size=8))
def test_words_of_very_different_length_are_no_slips(one: str, other: str) -> None:
    if abs(len(one) - len(other)) > 1:
        assert not is_typo(one, other)


@pytest.mark.parametrize(
    ("text", "word", "cut"),
    [
        ("def f(flag):\n    return matchflag)\n", "matchflag", "match(flag"),
        ("setchain.from_iterable(chain))\n", "setchain", "set(chain"),
        ("x = read_csvpath)\n", "read_csvpath", "read_csv(path"),
    ],
)
def test_a_word_is_cut_where_two_words_meet(text: str, word: str, cut: str) -> None:
    tokens = LEXICON.lex(text)
    names = Names(tokens, LEXICON.subwords)
    number = next(at for at, token in enumerate(tokens) if token.text == word)
    assert names.candidates(Tag("cut", "("), number)[0] == cut


def test_a_word_that_is_one_is_not_cut() -> None:
    text = "t = 1\nx = __self.environment,) + t\n"
    tokens = LEXICON.lex(text)
    number = next(at for at, token in enumerate(tokens) if token.text == "environment")
    assert Names(tokens).candidates(Tag("cut", "("), number) == []


def test_after_a_dot_come_attributes_first() -> None:
    text = "x = self.keys\nbox = self.\nself.keys()\n"
    tokens = LEXICON.lex(text)
    dot = [at for at, token in enumerate(tokens) if token.text == "."][1]
    assert Names(tokens).candidates(TAGS[TAG_IDS[Tag("insert name")]], dot)[0] == "keys"


def test_names_fall_into_their_subwords() -> None:
    assert subwords("read_csvFile2") == ["read", "csv", "file", "2"]
    assert {"read", "csv", "path"} <= LEXICON.subwords
