"""Wishes come from many at once, and none is lost."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gatllm.answering import Wishes
from gatllm.errors import GatllmError, VerificationError
from gatllm.records import HashLog


def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    def add(number: int) -> None:
        Wishes(tmp_path / "wishes.jsonl").add(f"wish {number}", 0.1, 0.5)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(24)))
    kept = Wishes(tmp_path / "wishes.jsonl").all()
    assert {wish["prompt"] for wish in kept} == {f"wish {number}" for number in range(24)}


def test_who_is_writing_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "wishes.jsonl"
    with ThreadPoolExecutor(1) as pool:
        with HashLog(path) as busy:
            busy.append("wish", prompt="first")
            waiting = pool.submit(Wishes(path).add, "second", 0.1, 0.5)
        waiting.result(timeout=10)
    assert [wish["prompt"] for wish in Wishes(path).all()] == ["first", "second"]


def test_a_changed_log_and_a_bad_place_are_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "wishes.jsonl"
    Wishes(path).add("a wish", 0.1, 0.5)
    Wishes(path).add("another", 0.1, 0.5)
    path.write_bytes(path.read_bytes().replace(b"a wish", b"A wish"))
    with pytest.raises(VerificationError):
        Wishes(path).all()
    with pytest.raises(GatllmError, match="can't write"):
        Wishes(path / "below" / "a" / "file").add("x", 0.1, 0.5)
