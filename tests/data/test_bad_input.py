"""Bad input: each gets a verdict or one clear error, and nothing is torn."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from gatllm.data import build, check_paths, open_source
from gatllm.data.verdicts import Verdict
from gatllm.errors import GatllmError, UsageError


def verdicts(root: Path) -> dict[str, list[str]]:
    return {
        verdict.file.origin.partition(":")[2]: [reason.rule for reason in verdict.reasons]
        for verdict in check_paths([root])
    }


def test_a_file_of_a_hundred_megabytes_is_not_even_read(tmp_path: Path) -> None:
    root = tmp_path / "code"
    root.mkdir()
    with (root / "huge.py").open("wb") as file:
        file.truncate(100 << 20)
    (root / "fine.py").write_text("x = 1\n")
    assert verdicts(root) == {"fine.py": [], "huge.py": ["too-large"]}


def test_a_text_of_a_hundred_megabytes_streams(tmp_path: Path) -> None:
    file = tmp_path / "dataset.txt"
    with file.open("wb") as out:
        out.truncate(100 << 20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sum(len(item.read()) for item in open_source(str(file))) == 100 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30 << 10  # KB


def test_many_empty_files_take_no_memory_each(tmp_path: Path) -> None:
    root = tmp_path / "code"
    for folder in range(10):
        (root / str(folder)).mkdir(parents=True)
        for number in range(300):
            os.close(os.open(root / str(folder) / f"{number}.py", os.O_CREAT))
    seen: list[Verdict] = []
    for verdict in check_paths([root]):
        seen = [verdict]  # only the last is kept: nothing else may hold the others
    assert seen[0].reasons[0].rule == "empty"
    with pytest.raises(GatllmError, match="nothing passed"):
        build(root, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["code"]


def test_undecodable_binary_and_odd_files(tmp_path: Path) -> None:
    root = tmp_path / "code"
    root.mkdir()
    (root / "binary.py").write_bytes(bytes(range(256)) * 10)
    (root / "utf16.py").write_bytes("x = 1\n".encode("utf-16"))
    (root / "cookie.py").write_bytes(b"# -*- coding: no-such -*-\nx = 1\n")
    (root / "latin.py").write_bytes("# coding: latin-1\nx = 'é'\n".encode("latin-1"))
    (root / "deep.py").write_text("x = " + "[" * 5000 + "]" * 5000 + "\n")
    (root / "minified.py").write_text("x=" + "+".join(map(str, range(2000))) + "\n")
    (root / "fifo.txt").touch()
    found = verdicts(root)
    assert found["binary.py"][0] in {"encoding", "syntax"}
    assert found["utf16.py"][0] in {"encoding", "syntax"}
    assert found["cookie.py"] == ["encoding"]
    assert found["latin.py"] == []
    assert "syntax" in found["deep.py"]
    assert found["minified.py"] == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_has_a_verdict(tmp_path: Path) -> None:
    (tmp_path / "closed.py").write_text("x = 1\n")
    (tmp_path / "closed.py").chmod(0)
    assert verdicts(tmp_path) == {"closed.py": ["unreadable"]}


@pytest.mark.parametrize("name", ["x" * 300, "nul\0byte", ""])
def test_impossible_names_are_one_clear_error(name: str) -> None:
    with pytest.raises((UsageError, GatllmError)):
        list(open_source(name))


FULL = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from gatllm.data import build
from gatllm.errors import GatllmError
try:
    build(sys.argv[1], sys.argv[2], replace=True)
except GatllmError as error:
    print(error)
    sys.exit(1)
"""


def test_a_full_disk_leaves_the_last_dataset_and_resumes(tmp_path: Path) -> None:
    root = tmp_path / "code"
    root.mkdir()
    (root / "a.py").write_text("X = 1\n")
    first = build(root, tmp_path / "out")
    for number in range(60):
        (root / f"m{number}.py").write_text("\n".join(f"name_{number}_{line} = {line}" for line in range(60)))
    command = [sys.executable, "-c", FULL, str(root), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "can't write" in done.stdout
    assert "Traceback" not in done.stderr
    first.verify()
    assert [record["origin"] for record in first.records()] == ["code:a.py"]
    assert len(build(root, tmp_path / "out", replace=True)) == 61
    assert sorted(path.name for path in tmp_path.iterdir()) == ["code", "out"]


def test_a_stopped_command_leaves_no_process_behind(tmp_path: Path) -> None:
    import signal
    import time

    root = tmp_path / "code"
    root.mkdir()
    for number in range(400):
        (root / f"m{number}.py").write_text("\n".join(f"name_{number}_{line} = {line}" for line in range(300)))
    run = "from gatllm.cli import main; main()"
    command = [sys.executable, "-c", run, "data", "build", str(root), "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    children: list[int] = []
    for _ in range(400):
        children = _children(process.pid)
        if children:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode in {0, 130}, err
    for _ in range(100):
        if not any(Path(f"/proc/{child}").exists() for child in children):
            break
        time.sleep(0.05)
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".partial")]


def _children(process: int) -> list[int]:
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]
