"""The pre-commit hooks as a project uses them: by address and revision, in an environment that pre-commit makes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pre_commit")

ROOT = Path(__file__).parents[2]
BAD, FIXED = "def f(a, b)\n    return a + b\n", "def f(a, b):\n    return a + b\n"
ME = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]


def git(folder: Path, *arguments: str) -> str:
    command = ["git", *ME, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def repository(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    for command in (["init"], ["add", "."], ["commit", "-m", "begin"]):
        git(folder, *command)
    return folder


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The address and revision of this repository as it is now, changes that are not committed included."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    copy = tmp_path_factory.mktemp("address") / "gatllm"
    git(ROOT, "clone", "--quiet", "--no-hardlinks", str(ROOT), str(copy))
    for name in git(ROOT, "diff", "HEAD", "--name-only", "--diff-filter=d").split():
        (copy / name).write_bytes((ROOT / name).read_bytes())
    git(copy, "commit", "--quiet", "--all", "--allow-empty", "-m", "now")
    return f"file://{copy}", git(copy, "rev-parse", "HEAD")


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Our own variables and interpreter hidden: the hooks have an environment of their own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GATLLM", "PYTHON", "VIRTUAL"))}
    return kept | {"PRE_COMMIT_HOME": str(tmp_path_factory.mktemp("cache"))}


@pytest.mark.slow
def test_a_commit_is_checked_repaired_and_made(address: tuple[str, str], env: dict[str, str], tmp_path: Path) -> None:
    work = repository(tmp_path / "work", {"good.py": "print(1)\n", "notes.txt": "def f(:\n"})
    config = f"repos:\n- repo: {address[0]}\n  rev: {address[1]}\n  hooks:\n  - id: gatllm-fix\n  - id: gatllm-check\n"
    (work / ".pre-commit-config.yaml").write_text(config)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pre_commit", *arguments]
        return subprocess.run(command, cwd=work, env=env, capture_output=True, text=True, check=False)

    installed = run("install", "--install-hooks")
    assert installed.returncode == 0, installed.stdout + installed.stderr
    packages = {path.name.split("-")[0].lower() for path in Path(env["PRE_COMMIT_HOME"]).rglob("*.dist-info")}
    assert "gatllm" in packages
    assert not packages & {"torch", "transformers", "pydantic"}

    (work / "bad.py").write_text(BAD)
    (work / "undefined.py").write_text("print(gone)\n")
    git(work, "add", ".")
    commit = ["git", *ME, "commit", "-m", "more"]
    done = subprocess.run(commit, cwd=work, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    told = done.stdout + done.stderr
    assert "files were modified by this hook" in told
    assert "undefined.py:1:7: F821" in told
    assert "notes.txt" not in told
    assert (work / "bad.py").read_text() == FIXED

    (work / "undefined.py").write_text("print(1)\n")
    git(work, "add", ".")
    done = subprocess.run(commit, cwd=work, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
