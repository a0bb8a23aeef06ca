"""A log can't be edited unseen, and survives a crash at any byte."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.errors import GatllmError, VerificationError
from gatllm.records import GENESIS, HashLog, log_head, read_log, sha256


def write(path: Path, entries: int = 5) -> list[bytes]:
    with HashLog(path) as log:
        for number in range(entries):
            log.append("step", step=number, note="é" * number)
    return path.read_bytes().splitlines(keepends=True)


def test_each_line_carries_the_hash_of_the_line_before(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    lines = write(path)
    previous = GENESIS
    for number, line in enumerate(lines):
        entry = json.loads(line)
        assert (entry["seq"], entry["prev"]) == (number, previous)
        previous = sha256(line[:-1])
    assert log_head(path) == previous
    assert [entry["step"] for entry in read_log(path)] == [0, 1, 2, 3, 4]


def test_an_empty_log_has_the_genesis_head(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    write(path, 0)
    assert log_head(path) == GENESIS
    assert read_log(path) == []


@given(cut=st.integers(0, 2000), entries=st.integers(0, 6))
def test_a_log_cut_at_any_byte_is_continued(cut: int, entries: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        lines = write(path, entries)
        data = b"".join(lines)[:cut]
        path.write_bytes(data)
        whole = data.count(b"\n")
        with HashLog(path) as log:
            assert log.size == whole
            log.append("resume")
        assert [entry["event"] for entry in read_log(path)] == ["step"] * whole + ["resume"]


@given(data=st.data())
def test_one_flipped_bit_is_caught_in_every_line_but_moves_the_head_in_the_last(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        original = b"".join(write(path, 4))
        head = log_head(path)
        position = data.draw(st.integers(0, len(original) - 1))
        changed = bytearray(original)
        changed[position] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(changed)
        try:
            found = log_head(path)
        except VerificationError as error:
            found = str(error)
        assert found.startswith("log.jsonl line") or (len(found) == 64 and found != head)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda lines: [*lines[:2], *lines[3:]], "line 3 is out of order"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "line 1 is out of order"),
        (lambda lines: [lines[0], lines[0].replace(b'"seq":0', b'"seq":1'), *lines[2:]], "line 2 does not follow"),
        (lambda lines: [*lines[:2], b"{}\n"], "line 3 is not an entry"),
        (lambda lines: [*lines[:2], b"[" * 99999 + b"\n"], "line 3 is not JSON"),
        (lambda lines: [*lines[:2], b"\xff\n"], "line 3 is not JSON"),
        (lambda lines: [*lines[:2], b"\n"], "line 3 is not JSON"),
        (lambda lines: [*lines[:-1], lines[-1][:-1]], "line 5 is cut off"),
    ],
)
def test_the_damaged_line_is_named(tmp_path: Path, edit: object, message: str) -> None:
    path = tmp_path / "log.jsonl"
    lines = write(path)
    path.write_bytes(b"".join(edit(lines)))  # type: ignore[operator]
    with pytest.raises(VerificationError, match=message):
        read_log(path)


def test_a_damaged_log_is_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    lines = write(path)
    path.write_bytes(b"".join([*lines[:1], *lines[2:]]))
    before = path.read_bytes()
    with pytest.raises(VerificationError):
        HashLog(path)
    assert path.read_bytes() == before


def test_two_writers_are_one_too_many(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with HashLog(path), pytest.raises(GatllmError, match="another process is writing"):
        HashLog(path)
    HashLog(path).close()


def test_a_missing_log_is_one_clear_line(tmp_path: Path) -> None:
    for read in (read_log, log_head):
        with pytest.raises(GatllmError, match="is missing"):
            read(tmp_path / "log.jsonl")
    with pytest.raises(GatllmError, match="can't write"):
        HashLog(tmp_path / "none" / "log.jsonl")


def test_a_value_without_canonical_form_leaves_the_log_whole(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with HashLog(path) as log:
        log.append("step")
        with pytest.raises(GatllmError):
            log.append("step", loss=float("nan"))
        log.append("step")
    assert len(read_log(path)) == 2


def test_a_full_disk_leaves_whole_lines_and_the_log_continues(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with HashLog(path) as log:
        log.append("step", note="x" * 100)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 50, hard))  # half of the next line fits
        try:
            with pytest.raises(GatllmError, match="can't write"):
                log.append("step", note="y" * 100)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, ignored)
        log.append("after")
    assert [entry["event"] for entry in read_log(path)] == ["step", "after"]


WRITER = """
import sys
from pathlib import Path
from gatllm.records import HashLog
with HashLog(Path(sys.argv[1])) as log:
    print("ready", flush=True)
    while True:
        log.append("step", note="x" * 500)
"""


def test_a_killed_writer_leaves_a_log_that_continues(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    size = 0
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout
            writer.stdout.readline()
            while path.stat().st_size < size + 20_000:
                pass
            os.kill(writer.pid, signal.SIGKILL)
        with HashLog(path) as log:
            assert log.size > 0
        size = path.stat().st_size
    assert len(read_log(path)) > 90


def rechained(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Spell the second line otherwise; the chain holds."""
    previous, lines = GENESIS, []
    for number, line in enumerate(path.read_bytes().splitlines()):
        again = line.replace(json.loads(line)["prev"].encode(), previous.encode())
        lines.append((change(again) if number == 1 else again) + b"\n")
        previous = sha256(lines[-1][:-1])
    path.write_bytes(b"".join(lines))


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line.replace(b'{"event"', b'{"event":"other","event"'),
        lambda line: line.replace(b'"step":1', b'"step":2,"step":1'),
        lambda line: line.replace(b":", b": "),
        lambda line: line.replace(b'"step":1', b'"step":1.0'),
        lambda line: b"{" + line[1:].replace(b'"note"', b'"\\u006eote"'),
        lambda line: line + b"\r",
    ],
)
def test_a_line_has_one_spelling(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    """A key that stands twice says one thing to one reader and another to the next."""
    path = tmp_path / "log.jsonl"
    write(path)
    rechained(path, lambda line: line)
    assert len(read_log(path)) == 5
    rechained(path, change)
    for reader in (read_log, log_head, HashLog):
        with pytest.raises(VerificationError, match="line 2"):
            reader(path)


def test_times_never_go_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that was set back, or another machine's, does not make an honest log look forged."""
    path = tmp_path / "log.jsonl"
    write(path, 1)
    entry = json.loads(path.read_bytes())
    ahead = "2999-01-01T00:00:00.000+00:00"
    path.write_bytes(path.read_bytes().replace(entry["time"].encode(), ahead.encode()))
    with HashLog(path) as log:
        log.append("step")
        log.append("step")
    assert [entry["time"] for entry in read_log(path)] == [ahead] * 3
