"""Characters: one id each, an explicit policy for unknown ones, a standard file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.errors import GatllmError
from gatllm.tokenizers import Characters, loads, train_characters


@given(st.text())
def test_known_text_comes_back(text: str) -> None:
    tokenizer = train_characters([text])
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert len(tokenizer.encode(text)) == len(text)


def test_unknown_characters_follow_the_policy() -> None:
    with pytest.raises(GatllmError, match="'z'"):
        train_characters(["abc"]).encode("az")
    replacing = train_characters(["abc"], unknown="replace")
    assert replacing.decode(replacing.encode("az")) == "a\ufffd"
    with pytest.raises(GatllmError):
        train_characters(["abc"], unknown="ignore")  # type: ignore[arg-type]


@pytest.mark.parametrize("unknown", ["error", "replace"])
def test_the_file_is_one_that_other_tools_read(unknown: str) -> None:
    from tokenizers import Tokenizer as Engine

    tokenizer = train_characters(["hello\nworld é"], unknown=unknown)  # type: ignore[arg-type]
    again = loads(tokenizer.to_json())
    assert isinstance(again, Characters)
    assert again.unknown == unknown
    assert again.fingerprint() == tokenizer.fingerprint()
    engine = Engine.from_str(tokenizer.to_json())
    assert engine.encode("hello\né").ids == tokenizer.encode("hello\né")
    assert engine.decode(tokenizer.encode("hello\né")) == "hello\né"


def test_a_chat_works_even_when_the_role_has_unknown_letters() -> None:
    tokenizer = train_characters(["abc"])
    ids = tokenizer.encode_chat([{"role": "user", "content": "abc"}], reply=True)
    assert ids[0] == tokenizer.specials["<|im_start|>"]
    assert tokenizer.decode(ids).startswith("abc")
