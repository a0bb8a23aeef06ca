"""The work behind contributions: checks in a process of their own, sealing in this one.

Each is a durable job (`gatllm.service.jobs`): one that a crash cut off is taken up again, by whichever process is
there. Both kinds give the same result however often they are done, and what a wallet does (announce, mint) is never
done here.
"""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gatllm.data import Dataset, build_negative
from gatllm.errors import GatllmError
from gatllm.market import About, KeyVault, Store, publish_for
from gatllm.records import write_file
from gatllm.service.contributions import Contribution, Contributions, State
from gatllm.service.database import DatabaseError
from gatllm.service.jobs import Handler, Jobs, LostLeaseError, Running

_EVERY = 0.5  # seconds between two notes of how far a job is
_ROOM = 16 << 20  # bytes: with less, what a check could not do it could not write
_BROKEN = "this job ended without a word: the upload is too large or damaged"
_FULL = "this server's disk is full; nothing of yours is lost, try again later"
_KINDS: dict[str, str] = {"checking": "check contribution", "publishing": "seal contribution"}
_BACK: dict[str, State] = {"checking": "uploading", "publishing": "checked"}


class ContributionWork:
    """Does what contributions wait for."""

    def __init__(self, contributions: Contributions, store: Store, vault: KeyVault) -> None:
        self.contributions = contributions
        self.store = store
        self.vault = vault

    @property
    def handlers(self) -> dict[str, Handler]:
        """What a worker needs to do these jobs."""
        return dict.fromkeys(_KINDS.values(), self._do)

    def queue(self, jobs: Jobs, account_id: str, one: Contribution) -> None:
        """Queue what a contribution waits for; once, however often it is asked for."""
        jobs.add(account_id, _KINDS[one.state], {"contribution": one.id}, once=_once(one))

    def resume(self, jobs: Jobs, account_of: Callable[[str], str]) -> None:
        """Queue what waits and is not a job: the process ended between the two."""
        for one in self.contributions.all():
            if one.state in _KINDS:
                self.queue(jobs, account_of(one.owner), one)

    def settle(self, jobs: Jobs, account_id: str, one: Contribution) -> Contribution:
        """Return a contribution as it is: one whose job was given up goes back to where it can be asked for again."""
        if one.state not in _KINDS:
            return one
        job = jobs.find(_once(one))
        if job is None:
            self.queue(jobs, account_id, one)
        elif job.state == "failed":
            return self.contributions.change(one, one.state, state=_BACK[one.state], problem=job.error)
        return one

    def progress(self, jobs: Jobs, one: Contribution) -> dict[str, Any]:
        """Return how far a job is: ``done``, ``total`` (None: not known), ``note``."""
        job = jobs.find(_once(one))
        try:
            told: dict[str, Any] = json.loads(job.progress if job else "")
        except ValueError:
            return {"done": 0, "total": None, "note": "waiting"}
        return told

    def _do(self, running: Running) -> dict[str, Any]:
        one = self.contributions.find(str(running.arguments["contribution"]))
        if one is None or one.state not in _KINDS:
            return {"state": one.state if one else "gone"}  # it was done, and the process ended before it was said
        told = 0.0

        def tell(step: dict[str, Any]) -> None:
            nonlocal told
            if time.monotonic() - told > _EVERY:
                told = time.monotonic()
                running.say(json.dumps(step))

        try:
            done = self._check(one, tell) if one.state == "checking" else self._publish(one, tell)
        except (LostLeaseError, DatabaseError):
            raise  # the job continues elsewhere, or later
        except Exception as error:  # whatever a stranger's files do, the next job is done
            full = isinstance(error, OSError) and error.errno == errno.ENOSPC
            problem = _FULL if full else str(error) if isinstance(error, GatllmError) else _BROKEN
            back: State = "rejected" if one.state == "checking" and not full else _BACK[one.state]
            done = self.contributions.change(one, one.state, state=back, problem=problem)
        return {"state": done.state}

    def _check(self, job: Contribution, tell: Callable[[dict[str, Any]], None]) -> Contribution:
        folder = self.contributions.path(job)
        given = {"licence": job.licence, "contributor": job.contributor, "wallet": job.owner}
        against = [str(path) for path in self._own_datasets(job)]
        write_file(folder / "intake.json", json.dumps(given | {"against": against}) + "\n")
        command = [sys.executable, "-m", "gatllm.market.store.intake", str(folder)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            for line in process.stdout or ():
                tell(json.loads(line))
            if process.wait():
                if shutil.disk_usage(folder).free < _ROOM:
                    raise OSError(errno.ENOSPC, "no space left")
                raise GatllmError(_BROKEN)
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        shutil.rmtree(folder / "upload", ignore_errors=True)
        if report["problem"]:
            return self.contributions.change(job, "checking", state="rejected", problem=report["problem"])
        return self.contributions.change(
            job, "checking", state="checked", problem="", records=report["records"], root=report["root"]
        )

    def _own_datasets(self, job: Contribution) -> list[Path]:
        # One's own only: what repeats another's sealed records would tell what is in them.
        others = (one for one in self.contributions.of(job.owner) if one.id != job.id)
        return [path for one in others if (path := self.contributions.path(one) / "dataset").is_dir()]

    def _publish(self, job: Contribution, tell: Callable[[dict[str, Any]], None]) -> Contribution:
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
            report=lambda step: tell({"done": step.done, "total": step.total, "note": step.note}),
        )
        origin = published.origin
        return self.contributions.change(
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


def _once(one: Contribution) -> str:
    # When it changed is part of it: what is asked for once more later is another job.
    return f"{one.state} {one.id} {one.changed!r}"
