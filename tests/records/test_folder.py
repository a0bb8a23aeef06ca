"""Files and folders appear whole or not at all."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.errors import GatllmError
from gatllm.records import folder as folder_module
from gatllm.records import is_partial, new_folder, write_file


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "file"
    write_file(path, "one")
    write_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


@given(st.text())
def test_text_is_written_as_utf8(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("text") / "file"
    write_file(path, text)
    assert path.read_bytes() == text.encode()


def test_a_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "script"
    path.touch()
    path.chmod(0o750)
    write_file(path, "new")
    assert path.stat().st_mode & 0o777 == 0o750


def test_a_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_file(path, "old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(GatllmError, match="can't write"):
            write_file(path, "x" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("file", "old")]


def test_a_place_that_is_no_folder_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(GatllmError, match="can't write"):
        write_file(tmp_path / "file" / "below", "y")


def test_a_folder_appears_when_the_block_ends_well(tmp_path: Path) -> None:
    target = tmp_path / "run"
    with new_folder(target) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_text("x")
        assert is_partial(folder)
        assert not target.exists()
    assert (target / "sub" / "file").read_text() == "x"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_a_folder_that_fails_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def fail() -> None:
        with new_folder(tmp_path / "run") as folder:
            (folder / "file").write_text("x")
            raise error

    with pytest.raises(error):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_not_overwritten_unless_asked(tmp_path: Path) -> None:
    target = tmp_path / "run"
    with new_folder(target) as folder:
        (folder / "old").write_text("x")
    with pytest.raises(GatllmError, match="already there"), new_folder(target):
        pass
    with new_folder(target, replace=True) as folder:
        (folder / "new").write_text("x")
    assert [path.name for path in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def test_replacing_works_where_folders_can_t_be_exchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "exchange", lambda first, second: False)
    test_a_folder_that_is_there_is_not_overwritten_unless_asked(tmp_path)


def test_a_folder_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "run"

    def race() -> None:
        with new_folder(target):
            target.mkdir()
            (target / "theirs").write_text("x")

    with pytest.raises(GatllmError, match="appeared meanwhile"):
        race()
    assert [path.name for path in tmp_path.rglob("*")] == ["run", "theirs"]


def test_a_file_that_the_block_can_t_read_is_not_blamed_on_the_target(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()

    def read() -> None:
        with new_folder(tmp_path / "out" / "run"):
            (tmp_path / "elsewhere").read_text()

    with pytest.raises(FileNotFoundError):
        read()


KILLED = """
import sys, time
from pathlib import Path
from gatllm.records import new_folder
with new_folder(Path(sys.argv[1]), replace=True) as folder:
    (folder / "file").write_text("new")
    print("ready", flush=True)
    time.sleep(60)
"""


def test_a_killed_writer_leaves_the_old_folder_and_a_marked_leftover(tmp_path: Path) -> None:
    target = tmp_path / "run"
    with new_folder(target) as folder:
        (folder / "file").write_text("old")
    with subprocess.Popen([sys.executable, "-c", KILLED, str(target)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        writer.stdout.readline()
        os.kill(writer.pid, signal.SIGKILL)
    assert (target / "file").read_text() == "old"
    assert [path for path in tmp_path.iterdir() if not is_partial(path)] == [target]
