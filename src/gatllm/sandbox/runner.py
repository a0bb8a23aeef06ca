"""Runs untrusted Python behind walls, and judges it by what the parent computed."""

from __future__ import annotations

import base64
import os
import queue
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from gatllm.errors import GatllmError
from gatllm.sandbox._server import encode
from gatllm.sandbox.execution import CandidateError, Execution, Value, read_execution, same, shown
from gatllm.sandbox.limits import Limits
from gatllm.sandbox.protections import Protections, probe
from gatllm.sandbox.quick import QuickTier
from gatllm.sandbox.walls import Wall, walls
from gatllm.sandbox.worker import StalledError, Worker, WorkerError

_MOST_CODE = 1 << 20


@dataclass(frozen=True, slots=True)
class Case:
    """One test: arguments of plain types, and the value that the call must return."""

    arguments: tuple[Any, ...]
    expected: Any


@dataclass(frozen=True, slots=True)
class Job:
    """A candidate to judge: its code, the function to call, and the cases it must pass."""

    code: str
    function: str
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a candidate passed every case, why not, and what each case gave."""

    passed: bool
    why: str
    cases: tuple[bool, ...]
    execution: Execution


class Runner:
    """A pool of warm servers behind walls; thread-safe; a context manager.

    Candidates only compute: expected values never enter the sandbox, so that nothing in there can pass for them.
    ``quick`` lets `check` ask Monty first (see `QuickTier`): many times faster, and walled by nothing but itself.

    Raises:
        GatllmError: the walls that this machine allows are not enough, and ``weak`` was not asked for.
    """

    def __init__(
        self, *, workers: int | None = None, limits: Limits | None = None, weak: bool = False, quick: bool = False
    ) -> None:
        self.limits = limits or Limits()
        self.workers = workers or os.cpu_count() or 1
        self._wall, self.protections = _choose(weak)
        self._idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        self._all = [Worker(self._wall) for _ in range(self.workers)]
        for worker in self._all:
            self._idle.put(worker)
        self._quick = QuickTier(self.workers, self.limits) if quick else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all servers; the runner can be used again and starts new ones."""
        for worker in self._all:
            worker.close()
        if self._quick is not None:
            self._quick.close()
            self._quick = None

    @contextmanager
    def _worker(self) -> Iterator[Worker]:
        worker = self._idle.get()
        try:
            yield worker
        finally:
            self._idle.put(worker)

    def run(self, code: str, *, stdin: str = "", limits: Limits | None = None) -> Execution:
        """Run a whole program. Its status says how it ended, in its own words: it is not proof that it did anything."""
        return self._execute(code, None, [], stdin, limits)

    def call(
        self, code: str, function: str, inputs: Sequence[Sequence[Any]], *, limits: Limits | None = None
    ) -> Execution:
        """Call a function of a program once for each of ``inputs`` (positional arguments of plain types).

        Raises:
            TypeError: an argument is not a plain value.
        """
        return self._execute(code, function, [encode(list(arguments)) for arguments in inputs], "", limits)

    def check(self, job: Job, *, tolerance: float = 0.0, loose: bool = False, limits: Limits | None = None) -> Verdict:
        """Judge a candidate: it passes when every call returns the expected value (see `same`)."""
        arguments = [case.arguments for case in job.cases]
        if self._quick is not None and (found := self._quick.call(job.code, job.function, arguments)) is not None:
            verdict = judge(job, found, tolerance, loose=loose)
            if verdict.passed:
                return verdict
        execution = self.call(job.code, job.function, arguments, limits=limits)
        return judge(job, execution, tolerance, loose=loose)

    def check_all(
        self, jobs: Iterable[Job], *, tolerance: float = 0.0, loose: bool = False, limits: Limits | None = None
    ) -> Iterator[Verdict]:
        """Judge many candidates on all servers at once; verdicts come in the order of the jobs."""
        with ThreadPoolExecutor(self.workers) as pool:
            yield from pool.map(lambda job: self.check(job, tolerance=tolerance, loose=loose, limits=limits), jobs)

    def _execute(
        self, code: str, function: str | None, inputs: list[Any], stdin: str, limits: Limits | None
    ) -> Execution:
        limits = limits or self.limits
        if len(code) > _MOST_CODE:
            return Execution("error", CandidateError("ValueError", f"more than {_MOST_CODE} characters of code"))
        request = {
            "code": code,
            "function": function,
            "inputs": inputs,
            "stdin": base64.b64encode(stdin.encode("utf-8", "surrogatepass")).decode(),
            "limits": limits.as_dict(),
        }
        with self._worker() as worker:
            try:
                answer = worker.run(request)
            except StalledError:  # stopped or starved: a new one takes its place
                return Execution("timeout", seconds=limits.wall_seconds)
            except WorkerError:
                return Execution("killed")
        return read_execution(answer, None if function is None else len(inputs))


def judge(job: Job, execution: Execution, tolerance: float = 0.0, *, loose: bool = False) -> Verdict:
    """Hold what a candidate computed against what it should have."""
    if execution.status != "finished":
        why = str(execution.error) if execution.error else execution.status
        return Verdict(False, why, tuple(False for _ in job.cases), execution)
    passed = tuple(
        isinstance(result, Value) and same(case.expected, result.value, tolerance, loose=loose)
        for case, result in zip(job.cases, execution.results, strict=True)
    )
    for number, (good, case, result) in enumerate(zip(passed, job.cases, execution.results, strict=True), 1):
        if not good:
            got = shown(result.value) if isinstance(result, Value) else str(result)[:200]
            return Verdict(False, f"case {number}: {got} instead of {shown(case.expected)}", passed, execution)
    return Verdict(bool(passed), "" if passed else "there was no case to pass", passed, execution)


def _choose(weak: bool) -> tuple[Wall | None, Protections]:
    tried: list[Protections] = []
    for wall in walls():
        found = probe(Worker(wall), wall.name)
        if found.enough:
            return wall, found
        tried.append(found)
    if weak:
        return None, probe(Worker(None), "no walls")
    why = "; ".join(f"{found.backend}: {found.missing_text()}" for found in tried) or "bubblewrap is not installed"
    raise GatllmError(
        f"this machine has no sufficient sandbox ({why})",
        "pip install 'gatllm[sandbox]' on Linux with user namespaces, or accept --weak-sandbox for code you trust",
    )
