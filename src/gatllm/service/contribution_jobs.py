"""The work behind contributions, one at a time: checks in a process of their own, sealing in this one.

A job is the state of a record on disk, so that one which a crash cut off is taken up at the next start: both kinds
give the same result however often they are done, and what a wallet does (announce, mint) is never done here.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from gatllm.data import Dataset, build_negative
from gatllm.errors import GatllmError
from gatllm.market import About, KeyVault, Store, publish_for
from gatllm.records import write_file
from gatllm.service.contributions import Contribution, Contributions

_PROGRESS = "progress.json"
_EVERY = 0.5  # seconds between two notes of how far a job is
_BROKEN = "this job ended without a word: the upload is too large or damaged"


class ContributionJobs:
    """Does what contributions wait for, in one thread."""

    def __init__(self, contributions: Contributions, store: Store, vault: KeyVault) -> None:
        self.contributions = contributions
        self.store = store
        self.vault = vault
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._told = 0.0

    def progress(self, contribution: Contribution) -> dict[str, Any]:
        """Return how far a job is: ``done``, ``total`` (None: not known), ``note``."""
        try:
            text = (self.contributions.path(contribution) / _PROGRESS).read_text(encoding="utf-8")
            told: dict[str, Any] = json.loads(text)
        except (OSError, ValueError):
            return {"done": 0, "total": None, "note": "waiting"}
        return told

    def _tell(self, job: Contribution, step: dict[str, Any]) -> None:
        if time.monotonic() - self._told > _EVERY:
            self._told = time.monotonic()
            write_file(self.contributions.path(job) / _PROGRESS, json.dumps(step) + "\n")

    def wake(self) -> None:
        """Look for work; what an earlier process left open is work too."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="contributions", daemon=True)
                self._thread.start()
        self._wake.set()

    def _run(self) -> None:
        self.contributions.folder.mkdir(parents=True, exist_ok=True)
        with (self.contributions.folder / "jobs.lock").open("w") as lock:
            # Of several processes on one folder one does the jobs; the kernel gives its place to another when it ends.
            fcntl.flock(lock, fcntl.LOCK_EX)
            while True:
                self._wake.wait(1.0)  # seconds: another process may have got an upload
                self._wake.clear()
                while (job := self._next()) is not None:
                    self._do(job)

    def _next(self) -> Contribution | None:
        waiting = [one for one in self.contributions.all() if one.state in ("checking", "publishing")]
        return min(waiting, key=lambda one: one.changed, default=None)

    def _do(self, job: Contribution) -> None:
        try:
            if job.state == "checking":
                self._check(job)
            else:
                self._publish(job)
        except Exception as error:  # whatever a stranger's files do, the next job is done
            problem = str(error) if isinstance(error, GatllmError) else _BROKEN
            back = "rejected" if job.state == "checking" else "checked"
            self.contributions.change(job, job.state, state=back, problem=problem)
        finally:
            (self.contributions.path(job) / _PROGRESS).unlink(missing_ok=True)

    def _check(self, job: Contribution) -> None:
        folder = self.contributions.path(job)
        given = {"licence": job.licence, "contributor": job.contributor, "wallet": job.owner}
        against = [str(path) for path in self._own_datasets(job)]
        write_file(folder / "intake.json", json.dumps(given | {"against": against}) + "\n")
        command = [sys.executable, "-m", "gatllm.market.store.intake", str(folder)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            for line in process.stdout or ():
                self._tell(job, json.loads(line))
            if process.wait():
                raise GatllmError(_BROKEN)
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        shutil.rmtree(folder / "upload", ignore_errors=True)
        if report["problem"]:
            self.contributions.change(job, "checking", state="rejected", problem=report["problem"])
            return
        self.contributions.change(
            job, "checking", state="checked", problem="", records=report["records"], root=report["root"]
        )

    def _own_datasets(self, job: Contribution) -> list[Path]:
        # One's own only: what repeats another's sealed records would tell what is in them.
        others = (one for one in self.contributions.of(job.owner) if one.id != job.id)
        return [path for one in others if (path := self.contributions.path(one) / "dataset").is_dir()]

    def _publish(self, job: Contribution) -> None:
        folder = self.contributions.path(job)
        dataset = Dataset.open(folder / "dataset")
        if job.kind == "negative":
            dataset = build_negative(dataset, folder / "negative", seed=0, processes=1, replace=True)
        published = publish_for(
            job.owner,
            dataset,
            self.store,
            self.vault,
            sealed=job.sealed,
            about=About(job.title, job.description),
            report=lambda step: self._tell(job, {"done": step.done, "total": step.total, "note": step.note}),
        )
        origin = published.origin
        self.contributions.change(
            job,
            "publishing",
            state="published",
            problem="",
            root=origin.root,
            content=origin.content,
            metadata=origin.metadata,
            minted_kind=int(origin.kind),
            records=dataset.manifest.records,
        )
