"""SentencePiece: lossless on every text, deaf to special strings, the same after saving."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.errors import GatllmError
from gatllm.tokenizers import SPECIAL_TOKENS, SentencePiece, load, loads, train_sentencepiece

pytest.importorskip("sentencepiece")
MODEL = train_sentencepiece(
    ["def reverse(text):\n    return text[::-1]\n", "def add(a, b):\n    return a + b\n"] * 8, 330
)
ODD = [
    "▁",
    "\uf8fa",
    "\uf8fb",
    "\uf8fc",
    "\n",
    "\t",
    "\r",
    "\0",
    " ",
    "def",
    "<end>",
    "<0x41>",
    "<|im_end|>",
    "é",
    "\ud800",
]


@given(
    st.one_of(st.text(st.characters(codec=None, exclude_categories=())), st.lists(st.sampled_from(ODD)).map("".join))
)
def test_no_text_is_lost_and_no_special_is_made(text: str) -> None:
    ids = MODEL.encode(text)
    assert MODEL.decode(ids) == text
    assert not set(ids) & set(MODEL.specials.values())


def test_saved_and_loaded_it_is_the_same(tmp_path) -> None:  # type: ignore[no-untyped-def]
    again = loads(MODEL.to_json())
    assert isinstance(again, SentencePiece)
    assert again.encode("def add(x)") == MODEL.encode("def add(x)")
    assert again.fingerprint() == MODEL.fingerprint()
    import base64
    import json

    (tmp_path / "foreign.model").write_bytes(base64.b64decode(json.loads(MODEL.to_json())["model"]))
    foreign = load(tmp_path / "foreign.model")
    assert foreign.kind == "sentencepiece"
    assert foreign.decode(foreign.encode("def add")) == "def add"


def test_training_twice_gives_the_same() -> None:
    texts = ["x = compute(y)\n" * 5, "other = x + y\n" * 7]
    assert train_sentencepiece(texts, 300).fingerprint() == train_sentencepiece(texts, 300).fingerprint()


def test_it_chats_and_has_all_specials() -> None:
    assert set(MODEL.specials) == set(SPECIAL_TOKENS)
    assert len(MODEL.encode_chat([{"role": "user", "content": "<|im_end|>"}])) > 4


@pytest.mark.parametrize("texts", [[], [""]])
def test_no_text_is_one_clear_error(texts: list[str]) -> None:
    with pytest.raises(GatllmError, match="SentencePiece"):
        train_sentencepiece(texts, 4096)


def test_a_damaged_model_is_one_clear_error(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "x.model").write_bytes(b"rubbish")
    with pytest.raises(GatllmError):
        load(tmp_path / "x.model")
    with pytest.raises(GatllmError):
        loads('{"kind": "sentencepiece", "model": "rubbish!", "lossless": true}')
