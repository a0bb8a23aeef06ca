"""The key is made once, kept private, and never shown."""

import copy
import json
import os
from pathlib import Path

import pytest

from gatllm.errors import GatllmError, UsageError
from gatllm.proof import default_key_path, load_key

SECRET = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"  # the documented web3 example key
ADDRESS = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("GATLLM_KEY", raising=False)
    monkeypatch.delenv("GATLLM_KEY_PASSWORD", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    return tmp_path


def test_made_once_and_readable_by_the_owner_only() -> None:
    first = load_key()
    assert default_key_path().stat().st_mode & 0o777 == 0o600
    assert load_key().address == first.address


def test_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    load_key()
    monkeypatch.setenv("GATLLM_KEY", "0x" + SECRET)
    assert load_key().address == ADDRESS


def test_not_made_when_not_asked() -> None:
    with pytest.raises(GatllmError, match="there is no key"):
        load_key(create=False)
    assert not default_key_path().exists()


@pytest.mark.parametrize("wrong", ["nonsense", SECRET[:-1], SECRET + "00", "0" * 64, "f" * 64])
def test_a_wrong_key_is_refused_and_not_quoted(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATLLM_KEY", wrong)
    with pytest.raises(UsageError) as caught:
        load_key()
    assert wrong not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_key_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "open.key"
    path.write_text(SECRET)
    path.chmod(0o644)
    with pytest.raises(GatllmError, match="chmod 600"):
        load_key(path)
    path.chmod(0o600)
    assert load_key(path).address == ADDRESS


def test_a_keystore_opens_with_its_password_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.json"
    monkeypatch.setenv("GATLLM_KEY_PASSWORD", "correct horse")
    made = load_key(path)
    assert "crypto" in json.loads(path.read_text())
    assert load_key(path).address == made.address
    monkeypatch.setenv("GATLLM_KEY_PASSWORD", "wrong")
    with pytest.raises(GatllmError, match="can't open the key"):
        load_key(path)
    monkeypatch.delenv("GATLLM_KEY_PASSWORD")
    with pytest.raises(UsageError, match="is encrypted"):
        load_key(path)


def test_a_key_does_not_show_or_copy_itself(tmp_path: Path) -> None:
    path = tmp_path / "k"
    path.write_text(SECRET)
    path.chmod(0o600)
    key = load_key(path)
    assert repr(key) == f"Key({ADDRESS})"
    assert SECRET not in f"{key!r}{key!s}{key:}"
    with pytest.raises(TypeError):
        copy.copy(key)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"{}"])
def test_a_file_that_is_no_key_is_one_clear_line(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "k"
    path.write_bytes(content)
    path.chmod(0o600)
    monkeypatch.setenv("GATLLM_KEY_PASSWORD", "x")
    with pytest.raises(GatllmError):
        load_key(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_place_that_can_t_be_written_is_one_clear_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(GatllmError, match="can't write a key"):
        load_key(tmp_path / "sub" / "k")
