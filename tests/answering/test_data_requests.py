"""Data requests come from many at once, and none is lost; what could tell who asked is never written."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gatllm.answering import DataRequestFile
from gatllm.answering.data_requests import redact
from gatllm.errors import GatllmError
from gatllm.records import HashLog

SECRETS = [
    "ann.smith@mail.de", "ghp_" + "a1B2" * 9, "AKIA" + "ABCDEFGH" * 2, "hunter2secret", "sk-" + "abcd1234" * 4,
    "+49 170 1234567", "0x" + "ab" * 32, "/home/annsmith/",
]  # fmt: skip


@pytest.mark.parametrize("secret", SECRETS)
def test_nothing_private_is_kept(secret: str, tmp_path: Path) -> None:
    prompt = f"Why does login(password = {secret}) at /home/annsmith/x.py fail? def f(x): return x + 123456"
    kept = redact(prompt)
    assert secret not in kept
    assert "def f(x): return x + 123456" in kept
    path = tmp_path / "data_requests.jsonl"
    DataRequestFile(path).add(prompt, 0.1, 0.5)
    assert secret not in path.read_text()
    assert [one.prompt for one in DataRequestFile(path).all()] == [kept]


def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    def add(number: int) -> None:
        DataRequestFile(tmp_path / "requests.jsonl").add(f"question {number}", 0.1, 0.5)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(24)))
    kept = DataRequestFile(tmp_path / "requests.jsonl").all()
    assert {one.prompt for one in kept} == {f"question {number}" for number in range(24)}
    assert [path.name for path in tmp_path.iterdir()] == ["requests.jsonl"]


def test_the_file_is_bounded_and_counts_what_is_asked_again(tmp_path: Path) -> None:
    requests = DataRequestFile(tmp_path / "requests.jsonl", most=5)
    for number in range(8):
        requests.add(f"question {number}", 0.1, 0.5)
    requests.add("  Question   4 ", 0.1234567, 0.5)
    requests.add("   ", 0.1, 0.5)
    requests.add("x" * 5_000, 0.1, 0.5)
    kept = requests.all()
    assert [one.prompt[:10] for one in kept] == ["question 5", "question 6", "question 7", "Question  ", "x" * 10]
    assert (kept[3].count, kept[3].confidence, kept[3].threshold) == (2, 0.1235, 0.5)
    assert len(kept[4].prompt) == 2_000


def test_an_older_log_is_taken_over_once_without_what_is_private(tmp_path: Path) -> None:
    old = tmp_path / "wishes.jsonl"
    with HashLog(old) as log:
        for prompt in ("mail ann@mail.de", "another", "mail ann@mail.de"):
            log.append("wish", prompt=prompt, confidence=0.1, threshold=0.5)
    before = old.read_bytes()
    requests = DataRequestFile(tmp_path / "data_requests.jsonl")
    requests.add("a new one", 0.2, 0.5)
    requests.add("a newer one", 0.2, 0.5)
    kept = [(one.prompt, one.count) for one in requests.all()]
    assert kept == [("another", 1), ("mail redacted@example.com", 2), ("a new one", 1), ("a newer one", 1)]
    assert old.read_bytes() == before


def test_a_changed_older_log_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "wishes.jsonl").write_text("anything\n")
    requests = DataRequestFile(tmp_path / "data_requests.jsonl")
    requests.add("a new one", 0.2, 0.5)
    assert [one.prompt for one in requests.all()] == ["a new one"]


def test_another_file_and_a_bad_place_are_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my own notes\n")
    with pytest.raises(GatllmError, match="not a file of data requests"):
        DataRequestFile(path).add("x", 0.1, 0.5)
    assert path.read_text() == "my own notes\n"
    with pytest.raises(GatllmError, match="can't write"):
        DataRequestFile(path / "below" / "a" / "file").add("x", 0.1, 0.5)
