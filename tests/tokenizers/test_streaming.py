"""Streaming: the pieces give the whole, and none holds half a character."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.tokenizers import Pretrained, StreamDecoder, Tokenizer, loads, stream_decode, train_bpe, train_characters
from gatllm.tokenizers.sentencepiece import train_sentencepiece

BPE = train_bpe(["def f(x):\n    return x\n"] * 4, size=280)
ANY = st.text(st.characters(codec=None, exclude_categories=()))


@given(ANY)
def test_pieces_of_bpe_give_the_whole_and_are_whole_characters(text: str) -> None:
    pieces = list(stream_decode(BPE, BPE.encode(text)))
    assert "".join(pieces) == text
    assert all(pieces)
    if "\ufffd" not in text:
        assert not any("\ufffd" in piece for piece in pieces)


@given(st.lists(st.integers(0, BPE.size - 1)))
def test_ids_that_are_no_text_end_as_the_whole_is_decoded(ids: list[int]) -> None:
    whole = BPE.decode(ids)
    if not any("\ud800" <= character <= "\udfff" for character in whole):
        streamed = "".join(stream_decode(BPE, ids))
        assert streamed == whole or any("\ud800" <= c <= "\udfff" for c in streamed)


@given(ANY)
def test_characters_and_sentencepiece_stream_too(text: str) -> None:
    tokenizer = train_characters([text])
    assert "".join(stream_decode(tokenizer, tokenizer.encode(text))) == text
    assert "".join(stream_decode(_sentencepiece(), _sentencepiece().encode(text))) == text


MODELS: list[Tokenizer] = []


def _sentencepiece() -> Tokenizer:
    pytest.importorskip("sentencepiece")
    if not MODELS:
        MODELS.append(train_sentencepiece(["def f(x):\n    return x\n"] * 9, 300))
    return MODELS[0]


def test_half_a_character_is_held_back_until_the_end() -> None:
    ids = BPE.encode("é")
    decoder = StreamDecoder(BPE)
    assert decoder.push(ids[0]) == ""
    assert decoder.push(ids[1]) == "é"
    assert decoder.push(ids[0]) == ""
    assert decoder.finish() == "\ufffd"


def test_a_foreign_tokenizer_streams_by_window() -> None:
    from tokenizers import Tokenizer as Engine
    from tokenizers import decoders, models, pre_tokenizers, trainers

    engine = Engine(models.Unigram())
    engine.pre_tokenizer = pre_tokenizers.Metaspace()  # type: ignore[attr-defined, assignment, unused-ignore]
    engine.decoder = decoders.Metaspace()  # type: ignore[attr-defined, assignment, unused-ignore]
    trainer = trainers.UnigramTrainer(vocab_size=60, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>")
    engine.train_from_iterator(["the cat sat on the mat and the dog ate it"] * 20, trainer)
    tokenizer = loads(engine.to_str())
    assert isinstance(tokenizer, Pretrained)
    text = "the dog sat on the cat"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert "".join(stream_decode(tokenizer, tokenizer.encode(text * 5))) == tokenizer.decode(tokenizer.encode(text * 5))
    assert tokenizer.pad_id == 0
    assert tokenizer.end_id == 1
    assert "</s>" not in tokenizer.specials
    assert tokenizer.encode("</s>") != [1]
