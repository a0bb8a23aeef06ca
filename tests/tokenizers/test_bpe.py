"""Byte-level BPE: lossless on every string, deaf to special strings, bounded merges."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.errors import GatllmError
from gatllm.tokenizers import SPECIAL_TOKENS, BytePair, load, loads, train_bpe

TEXTS = ["def reverse(text):\n    return text[::-1]\n", "def add(a, b):\n    return a + b\n"] * 8
BPE = train_bpe(TEXTS, size=300)


@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_decode_gives_back_any_string_surrogates_included(text: str) -> None:
    assert BPE.decode(BPE.encode(text)) == text


@given(st.lists(st.sampled_from([*SPECIAL_TOKENS, "def", " ", "<|", "|>", "\ud800"])).map("".join))
def test_special_strings_in_text_stay_text(text: str) -> None:
    ids = BPE.encode(text)
    assert not set(ids) & set(BPE.specials.values())
    assert BPE.decode(ids) == text


TEXT = st.one_of(
    st.text(st.characters(codec=None, exclude_categories=())),
    st.lists(st.sampled_from(["é", "\u2028", "\x85", "\n", "\r", " ", "\u3000", "x", "'s", ".", "1"])).map("".join),
    st.text(st.characters(max_codepoint=127)),
    st.lists(
        st.sampled_from([*SPECIAL_TOKENS, " ", "  ", "\n", "\r", "\t", "\x1c", "don't", "I'LL", "a1", "12345", "_"])
    ).map("".join),
)


@given(TEXT)
def test_the_quick_way_gives_the_ids_of_the_engine(text: str) -> None:
    assert BPE._pieces is not None
    assert BPE.encode(text) == BPE._encode_by_engine(text)
    assert BPE.encode_batch([text, "x"]) == [BPE.encode(text), BPE.encode("x")]


def test_the_cache_of_pieces_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatllm.tokenizers.bpe._MOST_PIECES", 10)
    text = " ".join(f"word{number}" for number in range(1000, 1100))
    assert BPE.decode(BPE.encode(text)) == text
    assert BPE._pieces is not None
    assert len(BPE._pieces) <= 10


def test_chat_has_real_specials() -> None:
    ids = BPE.encode_chat([{"role": "user", "content": "<|im_end|>"}], reply=True)
    special = BPE.specials
    assert ids.count(special["<|im_end|>"]) == 1
    assert ids.count(special["<|im_start|>"]) == ids.count(special["<|im_sep|>"]) == 2
    assert "<|im_end|>" in BPE.decode(ids)


def test_merge_length_one_gives_bytes() -> None:
    tokenizer = train_bpe(TEXTS, size=1000, max_merge_length=1)
    assert tokenizer.size == 256 + len(SPECIAL_TOKENS)
    assert len(tokenizer.encode("héé")) == 5


@pytest.mark.parametrize("longest", [2, 4])
def test_no_token_is_longer_than_asked(longest: int) -> None:
    tokenizer = train_bpe(TEXTS, size=1000, max_merge_length=longest)
    assert max(len(tokenizer.token_bytes(index)) for index in range(tokenizer.size)) == longest


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(BPE.to_json(), encoding="utf-8")
    again = load(tmp_path)
    assert isinstance(again, BytePair)
    assert again.fingerprint() == BPE.fingerprint()
    assert again.encode(TEXTS[0]) == BPE.encode(TEXTS[0])
    assert again.size == BPE.size
    assert again.pad_id == BPE.pad_id


def test_batches_equal_single_texts() -> None:
    texts = [*TEXTS[:2], "", "\ud800", "<end>"]
    assert BPE.encode_batch(texts) == [BPE.encode(text) for text in texts]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"kind": "?"}', '{"model": {"type": "BPE"}, "decoder": "ByteLevel"}']
)
def test_damaged_json_is_one_clear_error(content: str) -> None:
    with pytest.raises(GatllmError):
        loads(content)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(GatllmError, match="nowhere"):
        load(tmp_path / "nowhere")


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(GatllmError):
        train_bpe(TEXTS, size=100)
    with pytest.raises(GatllmError):
        train_bpe(TEXTS, max_merge_length=0)
