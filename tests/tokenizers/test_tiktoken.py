"""tiktoken and GPT-2 files: the same ids as tiktoken itself gives, without a network."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.errors import GatllmError
from gatllm.tokenizers import load, train_bpe
from gatllm.tokenizers.bpe import byte_symbols
from gatllm.tokenizers.tiktoken import from_ranks

tiktoken = pytest.importorskip("tiktoken")
public = pytest.importorskip("tiktoken_ext.openai_public")

TEXT = Path(__file__).read_text()
TRAINED = train_bpe([TEXT * 3, "naïve café 123456 \n\n  x\r\n don't WE'LL HTTPServer"], size=700)
FIRST = len(TRAINED.specials)
RANKS = {TRAINED.token_bytes(index): index - FIRST for index in range(FIRST, TRAINED.size)}
CL100K = (
    r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]"""
    r"""|\s+(?!\S)|\s"""
)


def write(path: Path) -> Path:
    path.write_bytes(b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in RANKS.items()))
    return path


def oracle(pattern: str):  # type: ignore[no-untyped-def]
    return tiktoken.Encoding("test", pat_str=pattern, mergeable_ranks=RANKS, special_tokens={})


@pytest.mark.parametrize(("name", "pattern"), [("cl100k_base", CL100K), ("gpt2", public.r50k_pat_str)])
def test_the_ids_are_those_of_tiktoken(name: str, pattern: str, tmp_path: Path) -> None:
    ours = load(write(tmp_path / f"{name}.tiktoken"))
    theirs = oracle(pattern)

    @given(
        st.one_of(
            st.text(), st.lists(st.sampled_from([" ", "\n", "\r", "don't", "ABC", "1234", "é", "_", "x"])).map("".join)
        )
    )
    def compare(text: str) -> None:
        assert ours.encode(text) == theirs.encode_ordinary(text)
        assert ours.decode(ours.encode(text)) == text

    compare()
    assert ours.encode(TEXT) == theirs.encode_ordinary(TEXT)
    assert ours.size == len(RANKS) + 5
    assert ours.pad_id >= len(RANKS)


def test_gpt2_files_load(tmp_path: Path) -> None:
    symbols = {byte: symbol for symbol, byte in byte_symbols().items()}
    vocabulary = {"".join(symbols[b] for b in token): rank for token, rank in RANKS.items()}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    merges = json.loads(TRAINED.to_json())["model"]["merges"]
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(pair) for pair in merges) + "\n")
    ours = load(tmp_path)
    assert ours.encode("def encode(text):") == oracle(public.r50k_pat_str).encode_ordinary("def encode(text):")
    (tmp_path / "vocab.json").write_text("{")
    with pytest.raises(GatllmError):
        load(tmp_path)


def test_damaged_files_are_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "gpt2.tiktoken"
    for content in (b"rubbish", b"!!! 3\n", b"YQ== x\n", b"YQ== 0\n"):
        path.write_bytes(content)
        with pytest.raises(GatllmError):
            load(path)
    with pytest.raises(GatllmError, match="no known encoding"):
        load(write(tmp_path / "other.tiktoken"))


def test_a_token_that_no_merge_reaches_is_still_a_whole_piece() -> None:
    ranks = {bytes([byte]): byte for byte in range(256)} | {b"abc": 256}
    assert from_ranks(ranks, r"\S+|\s+").encode("abc abcd") == [256, 32, 97, 98, 99, 100]
