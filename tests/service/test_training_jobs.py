"""Runs begun from the training page: whose they are to begin, and that nothing ends them but their end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI

from gatllm.answering import Assistant, FakeGenerator
from gatllm.review import Reviewer
from gatllm.service import create_app
from gatllm.service.accounts import Accounts
from gatllm.service.database import Database, open_database
from gatllm.service.jobs import MOST_ATTEMPTS
from gatllm.service.training_work import TrainingWork
from gatllm.training import Run
from tests.service.conftest import Connect

SMALL = {"train.steps": 400, "train.batch": 4, "train.threads": 1, "train.evaluations": 1, "model.width": 16}


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    return create_app(Assistant(FakeGenerator("Hello."), Reviewer()), runs=[tmp_path / "runs"])


def test_what_is_begun_is_queued_once_and_mistakes_are_told(app: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        async with connect(app) as client:
            assert "Begin a run" in (await client.get("/training")).text
            for form, told in (
                ({"recipe": "none", "run": "a"}, "there is no recipe"),
                ({"recipe": "../alphabetize", "run": "a"}, "there is no recipe"),
                ({"recipe": "alphabetize", "run": "../a"}, "is not a name for a run"),
                ({"recipe": "alphabetize", "run": ""}, "is not a name for a run"),
                ({"recipe": "alphabetize", "run": "a", "steps": "many"}, "is not a number"),
                ({"recipe": "alphabetize", "run": "a", "steps": "-1"}, "train.steps"),
                ({"recipe": "alphabetize", "run": "a", "steps": "9", "minutes": "1"}, "two budgets"),
            ):
                answer = await client.post("/training/~begin", data=form)
                assert (answer.status_code, told in answer.text) == (400, True), form
            assert app.state.parts.training.all() == []
            form = {"recipe": "alphabetize", "run": "mine", "steps": "9", "seed": "3"}
            assert (await client.post("/training/~begin", data=form)).status_code == 303
            again = await client.post("/training/~begin", data=form)
            assert (again.status_code, "there is a run mine already" in again.text) == (400, True)
            [job] = app.state.parts.training.all()
            recipe = job.arguments["recipe"]
            assert (recipe["name"], recipe["seed"], recipe["train"]["steps"]) == ("mine", 3, 9)
            assert "waits for its turn" in (await client.get("/training/~jobs")).text
            await client.post("/training/mine/stop")
            assert "stopped by the operator" in (await client.get("/training")).text

    asyncio.run(go())


def test_only_the_operator_trains(tmp_path: Path, connect: Connect) -> None:
    app = create_app(Assistant(FakeGenerator("Hello."), Reviewer()), openness="public", runs=[tmp_path])
    app.state.parts.accounts.add_user("bob", "correct horse", "contributor")

    async def go() -> None:
        async with connect(app) as client:
            assert "Begin a run" not in (await client.get("/training")).text
            for _ in range(2):
                for path in ("~begin", "mine/stop", "mine/resume"):
                    answer = await client.post(f"/training/{path}", data={"recipe": "alphabetize", "run": "mine"})
                    assert answer.status_code in (401, 403), path
                await client.post("/account/sign-in", data={"name": "bob", "password": "correct horse"})
            assert app.state.parts.training.all() == []

    asyncio.run(go())


def test_without_a_folder_for_runs_there_is_nothing_to_begin(connect: Connect) -> None:
    app = create_app(Assistant(FakeGenerator("Hello."), Reviewer()))

    async def go() -> None:
        async with connect(app) as client:
            assert "Begin a run" not in (await client.get("/training")).text
            assert (await client.post("/training/~begin", data={"recipe": "x", "run": "y"})).status_code == 404

    asyncio.run(go())


TRAINING = """
import json, os, signal, sys, time
from pathlib import Path

run = Path(sys.argv[2])
run.mkdir(parents=True, exist_ok=True)
seen = run / "seen"
signal.signal(signal.SIGTERM, lambda *_: (seen.open("a").write("asked to end\\n"), sys.exit(130)))
seen.open("a").write("begun\\n")
def say(**words): print(json.dumps(words), flush=True)
say(task="training", done=1, total=9, note="loss 3")
how = json.loads(Path(sys.argv[1]).with_name("how.json").read_text())
if how == "wait": time.sleep(600)
if how == "die": os.kill(os.getpid(), signal.SIGKILL)
if how == "checkpoint and die":
    say(event="checkpoint", step=2)
    say(task="training", done=2, total=9, note="loss 2")
    os.kill(os.getpid(), signal.SIGKILL)
if how == "refuse":
    say(problem="the loss is no number: lower train.lr")
    sys.exit(1)
if how == "fall over": raise RuntimeError("out of luck")
"""


@pytest.fixture
def work(tmp_path: Path) -> TrainingWork:
    """Trains by a program that does as `how.json` says."""
    work = TrainingWork(open_database(tmp_path / "service.db"), tmp_path / "runs", (sys.executable, "-c", TRAINING))
    me = Accounts(work.jobs._database).local().account_id
    (tmp_path / "runs").mkdir()
    work.begin(me, "alphabetize", "small", {"train.steps": 9})
    return work


def _do(work: TrainingWork, how: str) -> tuple[str, str, int]:
    (work.place / "how.json").write_text(json.dumps(how))
    assert work.jobs.work_once()
    [job] = work.all()
    return job.state, job.error, job.attempts


def test_a_training_that_was_killed_is_begun_again_until_it_ends(work: TrainingWork) -> None:
    assert _do(work, "die") == ("queued", "", 1)
    assert _do(work, "die") == ("queued", "", 2)
    assert _do(work, "checkpoint and die") == ("queued", "", 1)  # it came further: earlier attempts don't count
    assert _do(work, "finish") == ("done", "", 2)
    assert not work.jobs.work_once()
    assert not list(work.place.glob(".small.toml"))


def test_a_training_that_dies_each_time_is_given_up(work: TrainingWork) -> None:
    for attempt in range(1, MOST_ATTEMPTS + 1):
        assert _do(work, "die") == ("queued", "", attempt)
    assert not work.jobs.work_once()
    [job] = work.all()
    assert (job.state, job.error.startswith("given up")) == ("failed", True)


@pytest.mark.parametrize(
    ("how", "told"), [("refuse", "the loss is no number: lower train.lr"), ("fall over", "RuntimeError: out of luck")]
)
def test_what_went_wrong_is_told(work: TrainingWork, how: str, told: str) -> None:
    state, error, _ = _do(work, how)
    assert state == "failed"
    assert told in error


def test_stopping_ends_the_training_with_its_checkpoint(work: TrainingWork) -> None:
    (work.place / "how.json").write_text('"wait"')
    worker = threading.Thread(target=work.jobs.work_once)
    worker.start()
    _until(lambda: any(job.progress for job in work.all()))
    assert json.loads(work.all()[0].progress)["note"] == "loss 3"
    work.stop("small")
    worker.join(60)
    assert not worker.is_alive()
    assert (work.place / "small" / "seen").read_text() == "begun\nasked to end\n"
    [job] = work.all()
    assert (job.state, "stopped by the operator" in job.error) == ("failed", True)
    assert not work.jobs.work_once()


SERVER = """
import sys
from pathlib import Path
from gatllm.service.database import open_database
from gatllm.service.training_work import TrainingWork

TrainingWork(open_database(sys.argv[1]), Path(sys.argv[2])).jobs.work_once()
"""


def _until(holds: Callable[[], bool], seconds: float = 300) -> None:
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.05)


def _updates(run: Path) -> int:
    try:
        return (run / "log.jsonl").read_text().count('"step"')
    except OSError:
        return 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_run_is_stopped_gone_on_with_and_survives_kill_9(tmp_path: Path) -> None:
    url = str(tmp_path / "service.db")
    database: Database = open_database(url)
    me = Accounts(database).local().account_id
    work, run = TrainingWork(database, tmp_path / "runs"), tmp_path / "runs" / "small"
    work.begin(me, "alphabetize", "small", SMALL)
    worker = threading.Thread(target=work.jobs.work_once)
    worker.start()
    _until(lambda: _updates(run) > 20)
    work.stop("small")
    worker.join(300)
    assert not worker.is_alive()
    [job] = work.all()
    assert (job.state, "stopped by the operator" in job.error) == ("failed", True)
    assert not Run.open(run).complete
    assert list((run / "checkpoints").iterdir())

    work.resume(me, "small")
    reached = _updates(run)
    server = subprocess.Popen([sys.executable, "-c", SERVER, url, str(tmp_path / "runs")])
    _until(lambda: _updates(run) > reached + 20)
    os.kill(server.pid, signal.SIGKILL)
    server.wait()

    second = TrainingWork(open_database(url), tmp_path / "runs")
    second.jobs._reclaim()
    assert second.jobs.work_once()
    [job] = second.all()
    assert (job.state, job.error) == ("done", "")
    done = Run.open(run)
    assert done.complete
    assert [entry["step"] for entry in done.events("step")] == list(range(1, 401))
    assert len(done.events("resume")) >= 2
