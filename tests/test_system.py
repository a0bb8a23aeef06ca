"""Platform assumptions: each operating system takes the way that it has."""

import subprocess
import sys
from pathlib import Path

import pytest

from gatllm import system

# Stands in for a module of the other system: who imports it there by mistake fails here.
OF_ANOTHER_SYSTEM = """
import sys
sys.platform = {platform!r}
for name in ("fcntl", "resource", "termios", "pwd", "grp"):
    sys.modules[name] = None
"""
LOCKING = """
import types
held = []
sys.modules["msvcrt"] = types.SimpleNamespace(LK_LOCK=1, LK_NBLCK=2, locking=lambda *_: held.append(1))
"""


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_fix_writes_and_check_judges_without_what_only_linux_has(tmp_path: Path, platform: str) -> None:
    file = tmp_path / "app.py"
    file.write_text("def add(a, b:\n    return a + b\n")
    code = OF_ANOTHER_SYSTEM.format(platform=platform) + LOCKING
    # The commands read sys.platform where they act; what was imported before keeps its own.
    code = f"import subprocess, tempfile, pathlib, threading, numpy, rich.console, cyclopts, ruff\n{code}"
    code += f"from gatllm.cli import main\nmain(['fix', '--write', {str(file)!r}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert file.read_text() == "def add(a, b):\n    return a + b\n"


def test_folders_are_exchanged_or_left_to_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        (folder / folder.name).touch()
    monkeypatch.setattr(sys, "platform", "win32")
    assert not system.exchange(first, second)
    assert (first / "first").exists()
    monkeypatch.setattr(sys, "platform", "linux")
    if system.exchange(first, second):
        assert (first / "second").exists()
        assert (second / "first").exists()


def test_a_lock_keeps_others_out_until_the_file_is_closed(tmp_path: Path) -> None:
    with (tmp_path / "a").open("w") as first, (tmp_path / "a").open("w") as second:
        system.lock(first)
        with pytest.raises(BlockingIOError):
            system.lock(second, wait=False)
        first.close()
        system.lock(second, wait=False)


@pytest.mark.parametrize(
    ("text", "others"),
    [("3.0 2.0 1.0 1/90 4321\n", 0), ("0.0 0.0 0.0 9/90 4321\n", 8), ("nonsense", None), (None, None)],
)
def test_how_many_others_want_the_processor(tmp_path: Path, text: str | None, others: int | None) -> None:
    file = tmp_path / "loadavg"
    if text is not None:
        file.write_text(text)
    assert system.others_at_work(file) == others
