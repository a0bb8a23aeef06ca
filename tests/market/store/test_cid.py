"""Content identifiers equal those of the field's own tools."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.errors import GatllmError, UsageError
from gatllm.market.store.cid import DAG_PB, RAW, Block, Cid, add


def _bytes(count: int) -> bytes:
    value, out = 1, bytearray()
    for _ in range(count):
        value = (value * 1103515245 + 12345) % 2**31
        out.append(value >> 16 & 255)
    return bytes(out)


# Made with ipfs-unixfs-importer 17.1.1 (npm), profile 'unixfs-v1-2025', on the same bytes.
@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"),
        (1, "bafkreicjtfcgdvvumoipafgiyutvvbmr56dwi5qk7yttttxch5x34kcxpa"),
        (1048576, "bafkreib5xlbpsquvpy3f3zqlimlk3jdbebvxex4uizcwxsc35ei7wvbm5a"),
        (1048577, "bafybeie5cjy5fpq2r6tm5htvlwjkzymawsvsfurorem57kboriyeilvs2i"),
        (3000000, "bafybeidycnw2lcwyk4ryzeakcrjaxxutiwq3nqjfc2j2xfodkueyn2s4gy"),
    ],
)
def test_files(tmp_path: Path, count: int, expected: str) -> None:
    (tmp_path / "f").write_bytes(_bytes(count))
    assert str(add(tmp_path / "f")) == expected


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("alpha\n")
    (tmp_path / "ä.txt").write_text("umlaut\n")
    (tmp_path / "Z").touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.bin").write_bytes(_bytes(1500000))
    assert str(add(tmp_path)) == "bafybeie6tpduly4tnn6jx2lqlfkryyddxzsg36dftctjrvfm4a7h54wiym"


def test_the_sink_gets_children_before_parents(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(_bytes(1048577))
    blocks: list[Block] = []
    root = add(tmp_path / "f", blocks.append)
    assert [block.cid.codec for block in blocks] == [RAW, RAW, DAG_PB]
    assert blocks[-1].cid == root
    assert all(Cid.of(block.cid.codec, block.data) == block.cid for block in blocks)


@given(st.sampled_from([RAW, DAG_PB]), st.binary(min_size=32, max_size=32))
def test_text_and_bytes_read_back(codec: int, digest: bytes) -> None:
    cid = Cid(codec, digest)
    assert Cid.parse(str(cid)) == Cid.parse(cid.uri) == Cid.from_bytes(bytes(cid)) == cid
    assert len(str(cid)) == 59


@pytest.mark.parametrize("text", ["", "b", "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG", "bafkrei", "b" + "a" * 58])
def test_what_is_no_identifier(text: str) -> None:
    with pytest.raises(UsageError):
        Cid.parse(text)


@given(st.text(max_size=70))
def test_any_text_is_an_identifier_or_a_clear_error(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert str(Cid.parse(text)) == text.removeprefix("ipfs://").rstrip("/")


def test_one_identifier_has_one_spelling() -> None:
    good = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
    last = "abcdefghijklmnopqrstuvwxyz234567".index(good[-1])
    with pytest.raises(UsageError, match="canonical"):
        Cid.parse(good[:-1] + "abcdefghijklmnopqrstuvwxyz234567"[last ^ 1])


def test_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    with pytest.raises(GatllmError, match="is a link"):
        add(tmp_path)


def test_a_missing_file() -> None:
    with pytest.raises(GatllmError, match="can't read"):
        add(Path("/nonexistent/file"))
