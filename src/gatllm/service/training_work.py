"""Training as durable jobs: begun by the operator, done in a process of its own, resumed after interruptions."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gatllm.errors import GatllmError, UsageError
from gatllm.records import write_file
from gatllm.service.database import Database, Job
from gatllm.service.jobs import Handler, Jobs, PausedError, Running
from gatllm.training import Recipe, Run
from gatllm.training.pinning import missing_variables
from gatllm.training.recipe import available

KIND = "train"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}", re.ASCII)
_EVERY = 1.0  # seconds between two notes of how far a run is
_PATIENCE = 150.0  # seconds that a run gets to end by itself, with a checkpoint
_STOPPED = "stopped by the operator; it can be resumed"
_ACTIVE = ("queued", "running")
_TRAIN = (sys.executable, "-m", "gatllm.training.supervised")


class TrainingWork:
    """Trains into the run folders of ``place``, one after the other; several workers must share it."""

    def __init__(self, database: Database, place: Path, command: Sequence[str] = _TRAIN) -> None:
        self.place = place
        self._command = command
        # A thread of its own: contributions need not wait for hours of training.
        self.jobs = Jobs(database, self.handlers)

    @property
    def handlers(self) -> dict[str, Handler]:
        """What a worker needs to do these jobs."""
        return {KIND: self._train}

    def recipes(self) -> dict[str, str]:
        """Return what may be trained, with what it is about. Only these: a recipe names files, and may name code."""
        return {name: Recipe.load(path).about for name, path in available().items()}

    def begin(self, account_id: str, recipe: str, run: str, overrides: dict[str, Any]) -> None:
        """Queue a new run.

        Raises:
            UsageError: there is no such recipe, the name is none or taken, or a value is out of bounds.
        """
        if recipe not in available():
            raise UsageError(f"there is no recipe {recipe[:40]!r}", "choose one of the list")
        if not _NAME.fullmatch(run):
            raise UsageError(
                f"{run[:70]!r} is not a name for a run", "use letters, digits, dots, dashes and underscores"
            )
        if (self.place / run).exists() or self.active(run) is not None:
            raise UsageError(f"there is a run {run} already", "choose another name")
        wanted = Recipe.load(recipe, {"name": run, **overrides})
        self._queue(account_id, run, wanted)

    def resume(self, account_id: str, run: str) -> None:
        """Queue a run that lies there and is not finished.

        Raises:
            GatllmError: there is no such run, or it is finished.
        """
        if not _NAME.fullmatch(run) or not (self.place / run).is_dir():
            raise GatllmError("there is no such run here", "look at the list")
        if Run.open(self.place / run).complete:
            raise GatllmError("this run is finished", "begin another")
        if self.active(run) is None:
            self._queue(account_id, run, Recipe.load(self.place / run / "recipe.toml"))

    def stop(self, run: str) -> None:
        """End the work on a run; what it has reached stays, and it can be resumed."""
        job = self.active(run)
        if job is not None:
            self.jobs.end(job.id, _STOPPED)

    def all(self) -> list[Job]:
        """Return the newest job of each run, newest first."""
        newest: dict[str, Job] = {}
        for job in self.jobs.of_kind(KIND):
            newest.setdefault(job.arguments["run"], job)
        return list(newest.values())

    def active(self, run: str) -> Job | None:
        """Return the job that a run waits for or is done by."""
        return next((job for job in self.all() if job.arguments["run"] == run and job.state in _ACTIVE), None)

    def _queue(self, account_id: str, run: str, recipe: Recipe) -> None:
        # Two clicks at once name the same predecessor, and so the same job.
        before = next((job.id for job in self.all() if job.arguments["run"] == run), "")
        self.jobs.add(account_id, KIND, {"run": run, "recipe": recipe.to_dict()}, once=f"{KIND} {run} {before}")

    def _train(self, running: Running) -> dict[str, Any]:
        run = str(running.arguments["run"])
        recipe = Recipe.of(running.arguments["recipe"])
        self.place.mkdir(parents=True, exist_ok=True)
        order = self.place / f".{run}.toml"
        write_file(order, recipe.to_toml())
        command = [*self._command, str(order), str(self.place / run)]
        environment = {**os.environ, **missing_variables(recipe)}
        with (
            tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
            ) as process,
        ):
            threading.Thread(target=_watch, args=(running, process), daemon=True).start()
            try:
                problem = _follow(running, process)
            finally:
                _end(process)
            errors.seek(0)
            last = (errors.read().strip().splitlines() or [""])[-1]
        if problem:
            raise GatllmError(problem)
        if process.returncode < 0 or process.returncode == 130:  # killed, or told to stop by somebody else
            raise PausedError
        if process.returncode:
            raise GatllmError(f"the training ended with {process.returncode}: {last[:300]}")
        order.unlink(missing_ok=True)
        return {"run": run}


def _follow(running: Running, process: subprocess.Popen[str]) -> str:
    """Tell how far a run is until it ends; return what went wrong, in words."""
    told, problem, reached = 0.0, "", False
    for line in process.stdout or ():
        step = json.loads(line)
        problem = step.get("problem", problem)
        # What an update gave is kept with the next checkpoint only: that one was written counts.
        reached |= step.get("event") in ("checkpoint", "end")
        if running.stopping.is_set():
            raise PausedError
        if step.get("task") and (time.monotonic() - told > _EVERY or reached):
            running.say(line.strip(), advanced=reached)
            told, reached = time.monotonic(), False
    return problem


def _watch(running: Running, process: subprocess.Popen[str]) -> None:
    """Ask a run to end once nobody wants it here any more; it may be silent for long."""
    while process.poll() is None:
        if running.stopping.is_set() or running.lost.is_set():
            process.terminate()
            return
        time.sleep(0.5)


def _end(process: subprocess.Popen[str]) -> None:
    """Let a run end: it writes a checkpoint after the update that it is at."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
