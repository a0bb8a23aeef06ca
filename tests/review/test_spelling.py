"""Spelling tells what a name is put together of, on any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.review.spelling import SLOTS, SPELLINGS, Spelling
from gatllm.tokenizers.lexicon import Lexicon

CODE = "def read_file(path):\n    retry_count = max(path, limit)\n    return retry_count\n"
LEXICON = Lexicon.train([CODE], size=900)
SPELLING = Spelling(LEXICON)


@given(st.text(max_size=40))
def test_every_text_has_its_numbers(text: str) -> None:
    numbers = SPELLING[text]
    assert len(numbers) == SLOTS
    assert all(0 <= number < SPELLINGS for number in numbers)
    assert Spelling(LEXICON)[text] == numbers  # nothing but the text and the lexicon decides


def test_names_share_the_words_that_they_are_put_together_of() -> None:
    form, read, file, nothing = SPELLING["read_file"]
    assert nothing == 0 < form
    assert SPELLING["FileLimit"][1] == file
    assert {read, file} < set(SPELLING["read_the_file"])
    assert len(set(SPELLING["read_the_long_file"])) == SLOTS  # the first words and the last
    assert file in SPELLING["read_the_long_file"]


@pytest.mark.parametrize(
    ("name", "slip"),
    [("read_file", "readfile"), ("read_file", "read__file"), ("_path", "path"), ("path", "paht"), ("path", "Path")],
)
def test_the_form_tells_a_slip(name: str, slip: str) -> None:
    assert SPELLING[name][0] != SPELLING[slip][0]


def test_numbers_are_told_by_their_digits() -> None:
    assert SPELLING["1024"] != SPELLING["1025"]
    assert SPELLING["0xFF"] == SPELLING["0xff"]
    assert SPELLING["1024"][1:] == (0,) * (SLOTS - 1)


def test_what_is_neither_name_nor_number_says_nothing() -> None:
    assert {SPELLING[text] for text in ("", "(", "==", "\n    ", "# a comment")} == {(0,) * SLOTS}
