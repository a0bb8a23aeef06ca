"""The lexicon: exact places on any text, equal ids for equal words, and it comes back from its file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.errors import GatllmError
from gatllm.tokenizers import load
from gatllm.tokenizers.lexicon import Lexicon
from gatllm.tokenizers.lexing.lenient import lexemes

CODE = 'def f(a, b):\n    """Say hello to the nice people here."""\n\n    if a != b:  # a comment\n        return 1.5\n'
LEXICON = Lexicon.train([CODE * 3], size=900)

texts = st.text() | st.lists(
    st.sampled_from(["def", " ", "\n", "    ", "'", '"""', "#", "(", ")", "x_1", "don't", "\\", "\t", "is the", "0x1f"])
).map("".join)


@given(texts)
def test_pieces_concatenate_to_the_text(text: str) -> None:
    assert "".join(piece.text for piece in lexemes(text)) == text


@given(texts)
def test_lexemes_stand_where_they_say_and_leave_out_single_spaces_only(text: str) -> None:
    at = 0
    for lexeme in LEXICON.lex(text):
        assert text[lexeme.start : lexeme.end] == lexeme.text
        assert text[at : lexeme.start] in ("", " ")
        assert 0 <= lexeme.id < LEXICON.size
        at = lexeme.end
    assert text[at:] in ("", " ")


def test_unknown_names_are_told_apart_by_shape_and_hash_and_equal_ones_are_equal() -> None:
    ids = [lexeme.id for lexeme in LEXICON.lex("quux = Quux + QUUX + _quux + quux")]
    words = [lexeme.text for lexeme in LEXICON.lex("quux = Quux + QUUX + _quux + quux")]
    by_word = {word: number for word, number in zip(words, ids, strict=True) if word != "quux"}
    assert len({by_word[word] for word in ("Quux", "QUUX", "_quux")}) == 3
    spaced = [lexeme.id for lexeme in LEXICON.lex("a quux, quux")]
    assert spaced[1] == spaced[3]


def test_prose_comments_and_blank_lines_are_one_lexeme_each() -> None:
    kinds = [(piece.kind, piece.text) for piece in lexemes(CODE)]
    assert ("prose", "Say hello to the nice people here") in kinds
    assert ("comment", "# a comment") in kinds
    assert ("line", "\n\n    ") in kinds


def test_a_hash_inside_a_string_is_no_comment() -> None:
    assert [piece.kind for piece in lexemes("x = 'a # b'")][-1] == "quote"


def test_it_is_loaded_like_every_tokenizer(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "tokenizer.json").write_text(LEXICON.to_json(), encoding="utf-8")
    again = load(tmp_path)
    assert isinstance(again, Lexicon)
    assert again == LEXICON
    assert again.fingerprint() == LEXICON.fingerprint()
    assert again.encode(CODE) == LEXICON.encode(CODE)


def test_a_readable_rendering() -> None:
    assert LEXICON.decode(LEXICON.encode("if a != b:")) == "if a != b:"


def test_a_lexicon_without_room_is_refused() -> None:
    with pytest.raises(GatllmError, match="no room"):
        Lexicon.train([CODE], size=100)


@pytest.mark.parametrize("text", ["{}", "[]", "x", '{"kind": "lexicon", "version": 9, "words": []}'])
def test_another_file_is_refused(text: str) -> None:
    with pytest.raises(GatllmError, match="not a lexicon"):
        Lexicon.from_json(text)
