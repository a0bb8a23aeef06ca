"""Work that survives the process that does it: checks of datasets, sealing, training.

A job is a row, in the same database and so in the same backup as all else. Whoever works on it holds a lease that it
renews; when the process dies the lease runs out and another takes the job up again. Steps that are done are kept with
what they gave, so they are not done twice; a step that was interrupted is repeated, so it must come to the same when it
is. ``once`` names what must not be queued twice, such as a dataset's root.

Why not DBOS, which does the same: on SQLite it calls itself for development only, it finds what it recovers by a hash
of the code (a job that was queued before an update is never resumed), and its default format is pickle. What is
needed of it is this file.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.exc import IntegrityError

from gatllm.errors import GatllmError
from gatllm.service.database import Database, DatabaseError, Job, JobStep, new_id

LEASE_SECONDS = 15.0  # so long nobody takes up the work of a process that was killed
_PAUSE = 1.0  # seconds between two looks for work
MOST_ATTEMPTS = 5  # that ended with the process; an error that the work itself raises is final


def _process(pid: int | str = "self") -> str:
    """Return a name that no other process has had, on any machine; '' where that can't be told.

    Of two containers on one machine each has its own numbers of processes: hence the name space.
    """
    try:
        began = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        own = os.getpid() if pid == "self" else pid
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}/{own}/{began}"
    except (OSError, IndexError):
        return ""


def _has_died(worker: str) -> bool:
    """Tell whether a worker was a process of this machine and is there no more; another machine's may live."""
    place, _, _ = worker.rpartition("/")  # without the random end
    known = place.split("/")
    mine = _process().split("/")
    return len(known) == len(mine) == 4 and known[:2] == mine[:2] and _process(known[2]) != place


class LostLeaseError(Exception):
    """Another worker has taken the job over, or somebody has ended it: this one must do no more."""


class PausedError(Exception):
    """The work was interrupted and continues later, here or elsewhere."""


@dataclass
class Running:
    """A job at work, as its handler sees it."""

    id: str
    account_id: str
    arguments: dict[str, Any]
    _database: Database = field(repr=False)
    _worker: str = field(repr=False)
    stopping: threading.Event = field(default_factory=threading.Event, repr=False)  # the server is: raise `PausedError`
    lost: threading.Event = field(default_factory=threading.Event, repr=False)  # the lease is: do no more

    def step(self, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return what a step gave: now, or when it was done before an interruption.

        Raises:
            LostLeaseError: another worker has the job.
        """
        with self._database.read() as session:
            done = session.get(JobStep, (self.id, name))
        if done is not None:
            return done.result
        self.say(name)
        result = work()
        with self._database.begin() as session:
            self._renew(session)
            session.add(JobStep(job_id=self.id, name=name, result=result))
        return result

    def say(self, progress: str, *, advanced: bool = False) -> None:
        """Tell how far the work is, and keep the lease. ``advanced``: what is done is kept, whatever comes next.

        Raises:
            LostLeaseError: another worker has the job.
        """
        # Long work may outlive many servers: only attempts that came no further count.
        counted: dict[str, Any] = {"attempts": 1} if advanced else {}
        with self._database.begin() as session:
            self._renew(session, progress=progress, **counted)

    def _renew(self, session: Any, **values: Any) -> None:
        now = time.time()
        held = update(Job).where(Job.id == self.id, Job.worker == self._worker, Job.state == "running")
        if session.execute(held.values(lease=now + LEASE_SECONDS, updated=now, **values)).rowcount != 1:
            raise LostLeaseError(self.id)


Handler = Callable[[Running], dict[str, Any]]


class Jobs:
    """Queues jobs, and does those that it has handlers for in one thread."""

    def __init__(self, database: Database, handlers: Mapping[str, Handler] | None = None) -> None:
        self._database = database
        self.handlers: dict[str, Handler] = dict(handlers or {})
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, account_id: str, kind: str, arguments: dict[str, Any], once: str = "") -> str:
        """Queue a job; return its id, or that of the job that has the same ``once`` already."""
        once = once or new_id()
        job = new_id()
        try:
            with self._database.begin() as session:
                session.add(Job(id=job, account_id=account_id, kind=kind, arguments=arguments, once=once))
        except DatabaseError as error:
            if not isinstance(error.__cause__, IntegrityError):
                raise
            with self._database.read() as session:
                kept = session.scalar(select(Job).where(Job.once == once))
            if kept is None or kept.account_id != account_id or kept.kind != kind:
                raise GatllmError("somebody else has begun this already", "nothing was changed") from None
            return kept.id
        self._wake.set()
        return job

    def find(self, once: str) -> Job | None:
        """Return the job that was queued under a name."""
        with self._database.read() as session:
            return session.scalar(select(Job).where(Job.once == once))

    def get(self, account_id: str, job_id: str) -> Job | None:
        """Return a job of an account."""
        with self._database.read() as session:
            job = session.get(Job, job_id)
            return job if job is not None and job.account_id == account_id else None

    def of(self, account_id: str, count: int = 50) -> list[Job]:
        """Return the jobs of an account, newest first."""
        with self._database.read() as session:
            wanted = select(Job).where(Job.account_id == account_id).order_by(Job.created.desc())
            return list(session.scalars(wanted.limit(count)))

    def of_kind(self, kind: str, count: int = 200) -> list[Job]:
        """Return the jobs of a kind, newest first."""
        with self._database.read() as session:
            wanted = select(Job).where(Job.kind == kind).order_by(Job.created.desc(), Job.id)
            return list(session.scalars(wanted.limit(count)))

    def end(self, job_id: str, words: str) -> None:
        """End a job that waits or is at work; whoever works on it notices when they next tell how far they are."""
        with self._database.begin() as session:
            wanted = update(Job).where(Job.id == job_id, Job.state.in_(("queued", "running")))
            session.execute(wanted.values(state="failed", error=words, worker="", progress="", updated=time.time()))

    def counts(self) -> dict[str, int]:
        """Return how many jobs are in each state."""
        with self._database.read() as session:
            found = session.execute(select(Job.state, func.count()).group_by(Job.state)).all()
        counts: dict[str, int] = {row[0]: row[1] for row in found}
        return {state: counts.get(state, 0) for state in ("queued", "running", "done", "failed")}

    def start(self) -> None:
        """Begin to work."""
        self._reclaim()
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._thread.start()

    def _reclaim(self) -> None:
        """Free the jobs of processes that were killed here: nobody need wait until their lease runs out."""
        with contextlib.suppress(DatabaseError), self._database.begin() as session:
            for job in session.scalars(select(Job).where(Job.state == "running")):
                if _has_died(job.worker):
                    job.lease = 0.0

    def stop(self, seconds: float = 5.0) -> None:
        """Take up no more; what is at work continues elsewhere, or after the next start."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def work_once(self) -> bool:
        """Take up one job and do it; tell whether there was one."""
        job, worker = self._take()
        if job is None:
            return False
        running = Running(job.id, job.account_id, job.arguments, self._database, worker, self._stop)
        over = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(running, over), daemon=True)
        keeper.start()
        try:
            result = self.handlers[job.kind](running)
            outcome: dict[str, Any] = {"state": "done", "result": result, "error": "", "progress": ""}
        except LostLeaseError:
            return True
        except DatabaseError:  # nothing can be written down: the lease runs out, and the job is taken up again
            return True
        except PausedError:
            outcome = {"state": "queued", "lease": 0.0}
        except Exception as error:  # told to whoever asked for it
            words = str(error) if isinstance(error, GatllmError) else f"unexpected {type(error).__name__}: {error}"
            outcome = {"state": "failed", "error": words, "progress": ""}
        finally:
            over.set()
            keeper.join()
        with self._database.begin() as session:
            held = update(Job).where(Job.id == job.id, Job.worker == worker)
            session.execute(held.values(updated=time.time(), **outcome))
        return True

    def _take(self) -> tuple[Job | None, str]:
        """Take the oldest job that waits or whose worker has died."""
        worker, now = f"{_process()}/{secrets.token_hex(8)}", time.time()
        with self._database.begin() as session:
            free = or_(Job.state == "queued", (Job.state == "running") & (Job.lease < now))
            wanted = select(Job).where(Job.kind.in_(self.handlers), free).order_by(Job.created).limit(1)
            # Two workers may look at once: PostgreSQL gives each another row, SQLite lets one write at a time.
            job = session.scalar(wanted.with_for_update(skip_locked=True))
            if job is None:
                return None, worker
            if job.attempts >= MOST_ATTEMPTS:
                job.state, job.error = (
                    "failed",
                    f"given up: the server ended {MOST_ATTEMPTS} times while it was at work",
                )
                return None, worker
            job.state, job.worker, job.lease, job.updated = "running", worker, now + LEASE_SECONDS, now
            job.attempts += 1
            return job, worker

    @staticmethod
    def _keep(running: Running, over: threading.Event) -> None:
        """Renew the lease while the work continues."""
        while not over.wait(LEASE_SECONDS / 3):
            try:
                with running._database.begin() as session:
                    running._renew(session)
            except LostLeaseError:
                running.lost.set()
                return
            except DatabaseError:
                continue  # it may be back before the lease runs out

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                found = self.work_once()
            except DatabaseError:
                found = False
            if not found:
                self._wake.wait(_PAUSE)  # another process may have queued something
                self._wake.clear()
