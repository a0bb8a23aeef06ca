"""The pre-commit hooks, run by pre-commit itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pre_commit")

HOOKS = Path(__file__).parents[2] / ".pre-commit-hooks.yaml"
BAD, MENDED = "def f(a, b)\n    return a + b\n", "def f(a, b):\n    return a + b\n"
ME = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]


def repository(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    for command in (["init"], ["add", "."], ["commit", "-m", "begin"]):
        subprocess.run(["git", *ME, *command], cwd=folder, check=True, capture_output=True)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """The hooks run the gatllm that is installed: here that of the interpreter which runs this test."""
    (folder / "bin").mkdir()
    (folder / "bin" / "gatllm").write_text(f'#!/bin/sh\nexec {sys.executable} -m gatllm "$@"\n')
    (folder / "bin" / "gatllm").chmod(0o755)
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PRE_COMMIT_HOME": str(folder / "cache")}


@pytest.mark.slow
def test_a_commit_with_a_mistake_is_found_and_mended(tmp_path: Path) -> None:
    hooks = repository(tmp_path / "hooks", {HOOKS.name: HOOKS.read_text()})
    work = repository(tmp_path / "work", {"bad.py": BAD, "good.py": "print(1)\n", "notes.txt": "def f(:\n"})
    env = environment(tmp_path)

    def run(hook: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pre_commit", "try-repo", str(hooks), hook, "--all-files", "--verbose"]
        return subprocess.run(command, cwd=work, env=env, capture_output=True, text=True, check=False)

    checked = run("gatllm-check")
    assert checked.returncode == 1
    assert "bad.py:1:12: SyntaxError: expected ':'" in checked.stdout
    assert "good.py" not in checked.stdout
    fixed = run("gatllm-fix")
    assert fixed.returncode == 1
    assert "files were modified by this hook" in fixed.stdout
    assert (work / "bad.py").read_text() == MENDED
    assert run("gatllm-check").returncode == 0


@pytest.mark.slow
def test_a_commit_is_stopped(tmp_path: Path) -> None:
    hooks = repository(tmp_path / "hooks", {HOOKS.name: HOOKS.read_text()})
    work = repository(tmp_path / "work", {"good.py": "print(1)\n"})
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=hooks, capture_output=True, text=True, check=True).stdout
    config = f"repos:\n- repo: {hooks}\n  rev: {head.strip()}\n  hooks:\n  - id: gatllm-check\n"
    (work / ".pre-commit-config.yaml").write_text(config)
    env = environment(tmp_path)
    install = [sys.executable, "-m", "pre_commit", "install"]
    subprocess.run(install, cwd=work, env=env, check=True, capture_output=True)
    (work / "bad.py").write_text(BAD)
    subprocess.run(["git", "add", "."], cwd=work, check=True)
    commit = ["git", *ME, "commit", "-m", "more"]
    done = subprocess.run(commit, cwd=work, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "bad.py:1:12" in done.stderr + done.stdout
    (work / "bad.py").write_text(MENDED)
    subprocess.run(["git", "add", "."], cwd=work, check=True)
    assert subprocess.run(commit, cwd=work, env=env, capture_output=True, check=False).returncode == 0
