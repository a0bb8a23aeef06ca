"""Sealed content: any change is noticed, and only the key opens it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.errors import GatllmError, UsageError, VerificationError
from gatllm.market.store import sealing
from gatllm.market.store.sealing import new_content_key, seal, unseal

KEY = bytes(range(32))


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "CHUNK", 16)


def _sealed(folder: Path, data: bytes, key: bytes = KEY) -> Path:
    (folder / "plain").write_bytes(data)
    seal(folder / "plain", folder / "sealed", key)
    return folder / "sealed"


@given(st.binary(max_size=100))
def test_what_is_sealed_comes_back(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("seal")
    unseal(_sealed(folder, data), folder / "open", KEY)
    assert (folder / "open").read_bytes() == data


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    good = _sealed(tmp_path, random.Random(0).randbytes(70)).read_bytes()
    for place in range(len(good)):
        bad = bytearray(good)
        bad[place] ^= 1 << place % 8
        (tmp_path / "bad").write_bytes(bad)
        with pytest.raises(VerificationError):
            unseal(tmp_path / "bad", tmp_path / "open", KEY)
    assert not (tmp_path / "open").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"plain", "sealed", "bad"}


def test_every_cut_dropped_or_swapped_chunk_is_noticed(tmp_path: Path) -> None:
    good = _sealed(tmp_path, random.Random(0).randbytes(64)).read_bytes()
    head, chunks = good[:32], [good[i : i + 32] for i in range(32, len(good), 32)]
    assert len(chunks) == 4
    variants = [good[:length] for length in range(len(good))]
    variants += [head + b"".join(chunks[:i] + chunks[i + 1 :]) for i in range(4)]
    variants += [head + chunks[1] + chunks[0] + chunks[2] + chunks[3], good + chunks[3]]
    for bad in variants:
        (tmp_path / "bad").write_bytes(bad)
        with pytest.raises(VerificationError):
            unseal(tmp_path / "bad", tmp_path / "open", KEY)


def test_another_key_opens_nothing(tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="another key"):
        unseal(_sealed(tmp_path, b"secret"), tmp_path / "open", new_content_key())


def test_equal_bytes_look_different_unless_their_identifier_is_given(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"secret")
    written = []
    for content in (None, None, b"one", b"one", b"two"):
        seal(tmp_path / "plain", tmp_path / "sealed", KEY, content=content)
        written.append((tmp_path / "sealed").read_bytes())
    assert len(set(written)) == 4
    assert written[2] == written[3]


@pytest.mark.parametrize("key", [b"", b"short", bytes(33)])
def test_what_is_no_key(tmp_path: Path, key: bytes) -> None:
    with pytest.raises(UsageError):
        _sealed(tmp_path, b"x", key)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(GatllmError, match="can't read"):
        unseal(tmp_path / "none", tmp_path / "open", KEY)
