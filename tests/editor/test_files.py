"""Files as people name them: links, modes, encodings, a full disk."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from gatllm.editor.files import read_file
from gatllm.errors import GatllmError

BAD, FIXED = "def f(a, b:\n    return a + b\n", "def f(a, b):\n    return a + b\n"


def fix(*arguments: str, folder: Path, largest: int = 0) -> subprocess.CompletedProcess[str]:
    """Run `gatllm fix`; with ``largest``, where no file may be longer than so many bytes, as on a full disk."""

    def limit() -> None:
        if largest:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    command = [sys.executable, "-m", "gatllm", "fix", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, preexec_fn=limit)


def test_a_file_with_two_names_keeps_both(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(BAD)
    (tmp_path / "one.py").chmod(0o750)
    os.link(tmp_path / "one.py", tmp_path / "two.py")
    done = fix("one.py", "two.py", "--write", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "two.py").read_text() == FIXED
    assert (tmp_path / "one.py").stat().st_ino == (tmp_path / "two.py").stat().st_ino
    assert (tmp_path / "one.py").stat().st_mode & 0o777 == 0o750
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.py", "two.py"]


def test_links_are_followed_and_stay_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x.py").write_text(BAD)
    (tmp_path / "link.py").symlink_to("middle.py")
    (tmp_path / "middle.py").symlink_to("real/x.py")
    assert fix("link.py", "real/x.py", "--write", folder=tmp_path).returncode == 0
    assert (tmp_path / "link.py").is_symlink()
    assert (tmp_path / "middle.py").is_symlink()
    assert (tmp_path / "real" / "x.py").read_text() == FIXED


@pytest.mark.parametrize("linked", [True, False])
def test_a_full_disk_loses_nothing(tmp_path: Path, linked: bool) -> None:
    long = "# " + "x" * 5000 + "\n" + BAD
    (tmp_path / "one.py").write_text(long)
    if linked:
        os.link(tmp_path / "one.py", tmp_path / "two.py")
    done = fix("one.py", "--write", folder=tmp_path, largest=4096)
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert "one.py" in line
    assert "Traceback" not in done.stderr
    assert (tmp_path / "one.py").read_text() == long
    assert len(list(tmp_path.iterdir())) == 1 + linked


def test_a_character_that_the_encoding_lacks_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_bytes("# coding: latin-1\nx = 'é'\n".encode("latin-1"))
    file = read_file(str(tmp_path / "x.py"))
    with pytest.raises(GatllmError, match="is not in iso-8859-1"):
        file.write(file.text.replace("é", "€"))
    assert (tmp_path / "x.py").read_bytes() == "# coding: latin-1\nx = 'é'\n".encode("latin-1")
