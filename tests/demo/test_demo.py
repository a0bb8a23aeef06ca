"""The demo itself, shortened: interrupted in the middle of training, gone on with, and everything it says is there."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-m", "gatllm", "demo", "--minutes", "0.2", "--small", "--json", "--out"]


def _wait_for(path: Path, text: str, process: subprocess.Popen[str], seconds: float = 200) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if path.exists() and text in path.read_text(errors="replace"):
            return
        if process.poll() is not None:
            pytest.fail(f"the demo ended with {process.returncode}")
        time.sleep(0.1)
    pytest.fail(f"{path} never held {text}")


def _processes_in(folder: Path) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
            except OSError:
                continue
            if str(folder) in command:
                found.append(command)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "out"


@pytest.fixture(scope="module")
def interrupted(folder: Path) -> int:
    """A demo that gets Ctrl-C while it trains; its exit code."""
    errors = folder.parent / "errors.txt"
    with errors.open("w") as file:
        process = subprocess.Popen([*COMMAND, str(folder)], stdout=file, stderr=file, text=True, start_new_session=True)
        try:
            _wait_for(folder / "runs" / "discriminator" / "log.jsonl", '"event":"start"', process)
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: every process of the group gets it
            code = process.wait(timeout=300)
        finally:
            process.kill()
    assert "Traceback" not in errors.read_text()
    return code


@pytest.fixture(scope="module")
def summary(folder: Path, interrupted: int) -> dict[str, Any]:
    """The same command again, to its end."""
    done = subprocess.run([*COMMAND, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.timeout(900)
def test_ctrl_c_leaves_no_torn_file_and_no_process(folder: Path, interrupted: int) -> None:
    assert interrupted == 130
    assert _processes_in(folder) == []
    assert list(folder.rglob(".partial-*")) == []
    for path in folder.rglob("*.json"):
        json.loads(path.read_text())


@pytest.mark.timeout(900)
def test_every_step_is_done(summary: dict[str, Any]) -> None:
    assert {name: step["status"] for name, step in summary["steps"].items()} == dict.fromkeys(
        ("data", "training", "proof", "chain", "review", "answers"), "done"
    )
    assert summary["ok"] is True


def test_what_it_says_it_made_is_there(summary: dict[str, Any]) -> None:
    made = [path for step in summary["steps"].values() for path in step["made"].values()]
    assert len(made) >= 8
    assert [path for path in made if not Path(path).exists()] == []


def test_the_numbers_are_those_of_this_run(folder: Path, summary: dict[str, Any]) -> None:
    manifest = json.loads((folder / "datasets" / "stdlib" / "manifest.json").read_text())
    assert summary["steps"]["data"]["numbers"]["files kept"] == manifest["records"] > 500
    end = json.loads((folder / "runs" / "generator" / "log.jsonl").read_text().splitlines()[-1])
    assert summary["steps"]["training"]["numbers"]["generator loss"] == round(end["metrics"]["loss"], 3)


def test_the_proofs_verify_and_a_flipped_byte_does_not(folder: Path, summary: dict[str, Any]) -> None:
    run = folder / "runs" / "discriminator"
    command = [sys.executable, "-m", "gatllm", "proof", "verify", str(run)]
    # Hashes alone show nothing of the training: inconclusive, unless no more than that was asked for.
    assert subprocess.run(command, capture_output=True, check=False).returncode == 4
    enough = [*command, "--require-updates", "0"]
    assert subprocess.run(enough, capture_output=True, check=False).returncode == 0
    log = run / "log.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole.replace(b'"loss":', b'"lost":', 1))
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        log.write_bytes(whole)
    assert done.returncode == 3
    assert "log.jsonl" in done.stdout + done.stderr


def test_the_answers_know_what_they_know(summary: dict[str, Any]) -> None:
    numbers = summary["steps"]["answers"]["numbers"]
    near, far = (float(numbers[kind].partition("%")[0]) for kind in ("near the data", "far from the data"))
    assert near > far


def test_a_third_run_does_nothing_again_and_leaves_nothing_behind(folder: Path, summary: dict[str, Any]) -> None:
    done = subprocess.run([*COMMAND, str(folder)], capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["steps"] == summary["steps"]
    assert done.stderr.count("done before") == len(summary["steps"])
    assert _processes_in(folder) == []
