"""Tokens by whole arrays: layout is nothing, names are nothing to structure, and a lexer of another kind agrees."""

import io
import tokenize as standard

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatllm.answering.library.tokens import tokenize, windows
from gatllm.answering.library.words import plain_words, split_words

CODE = b"""
def area(width, height):
    # the area of a rectangle
    if width < 0:
        raise ValueError("negative")
    return width * height
"""


def same(first: bytes, second: bytes, kind: str) -> bool:
    one, two = (tokenize(text)[kind].hashes for text in (first, second))  # type: ignore[index]
    return one.tolist() == two.tolist()


def test_layout_and_quotes_are_nothing() -> None:
    other = CODE.replace(b"    ", b"\t").replace(b'"', b"'").replace(b"width * height", b"width   *\\\n height")
    assert same(CODE, other.replace(b"\\", b""), "verbatim")
    assert not same(CODE, CODE.replace(b"*", b"+"), "verbatim")


def test_structure_leaves_names_literals_and_comments_out() -> None:
    renamed = CODE.replace(b"width", b"w").replace(b"height", b"h").replace(b"area", b"size").replace(b"0", b"100")
    assert not same(CODE, renamed, "verbatim")
    assert same(CODE, renamed, "structure")
    assert same(CODE, CODE.replace(b"    # the area of a rectangle\n", b""), "structure")
    assert not same(CODE, CODE.replace(b"ValueError", b"KeyError"), "structure")
    assert not same(CODE, CODE.replace(b"if ", b"while "), "structure")


@pytest.mark.parametrize("text", [b'"#" + x # "y"\n', b"'''a\n'b'\n#c''' + x", b'"a\\"#b" + x', b'f"{x}" + x'])
def test_a_sign_inside_a_literal_of_another_kind_is_none(text: bytes) -> None:
    structure = tokenize(text)["structure"]
    kept = [text[start:end] for start, end in zip(structure.starts, structure.ends, strict=True)]
    assert kept[-2:] == [b"+", b"x"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(["x", "y2", "if", "(", ")", "+", "==", "'a b'", "# c\n", "\n", "3.5", "é", " "]), max_size=30
    )
)
def test_tokens_cover_the_text_but_for_space(parts: list[str]) -> None:
    text = " ".join(parts).encode()
    verbatim = tokenize(text)["verbatim"]
    joined = b"".join(text[start:end] for start, end in zip(verbatim.starts, verbatim.ends, strict=True))
    assert joined == b"".join(text.split())


def test_names_agree_with_the_standard_lexer() -> None:
    code = CODE.replace(b"# the area of a rectangle", b"").replace(b"negative", b"")
    ours = tokenize(code)["verbatim"]
    words = [code[start:end].decode() for start, end in zip(ours.starts, ours.ends, strict=True)]
    theirs = [token.string for token in standard.tokenize(io.BytesIO(code).readline) if token.type == standard.NAME]
    assert [word for word in words if word.isidentifier()] == theirs


def test_equal_windows_have_equal_hashes_wherever_they_lie() -> None:
    once = tokenize(b"a = b + c * d")["verbatim"].hashes
    later = tokenize(b"x y z " * 50 + b"a = b + c * d")["verbatim"].hashes
    assert windows(once, 7).tolist() == windows(later, 7)[-1:].tolist()
    assert len(windows(once, 8)) == 0


def test_words_are_taken_apart_and_cut() -> None:
    def places(text: str) -> list[int]:
        return split_words(text.encode()).places.tolist()

    assert places("readAllLines read_all_lines") == places("read all lines") * 2
    assert places("HTTPServer") == places("http server")
    assert places("reversing") == places("reversed") == places("Reverses")
    assert places("Write a function that is in Python") == []
    assert plain_words("Write a function that adds numbers") == ["adds", "numbers"]
