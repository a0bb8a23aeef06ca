"""One server process behind its walls, as the parent sees it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import struct
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from gatllm.sandbox import filters
from gatllm.sandbox.walls import Wall, bare

_START_SECONDS = 20.0
# The server keeps the time of a run, the parent that of the server: what the server needs to kill and to answer is part
# of the limit, so that one which stands still is replaced when the limit is over.
_ANSWER_FRACTION, _ANSWER_SECONDS = 0.1, 0.5
_MOST_FRAME = 16 << 20
RUNS_BEFORE_RENEWAL = 1000


@cache
def _starter() -> ThreadPoolExecutor:
    # The system ends a child that dies with its parent when the *thread* that started it ends: so one thread, which
    # lives as long as the process, starts them all.
    return ThreadPoolExecutor(1, thread_name_prefix="sandbox")


class WorkerError(Exception):
    """The server ended or hangs; the run that it did is lost."""


class StalledError(WorkerError):
    """The server did not answer in time."""


class Worker:
    """A server process; it is started when it is first needed, and again when it died or has run often enough.

    Raises:
        WorkerError: from `run`, when the server did not answer.
    """

    def __init__(self, wall: Wall | None) -> None:
        self._wall = wall  # None: without walls
        self._process: subprocess.Popen[bytes] | None = None
        self._scratch: Path | None = None
        self._runs = 0
        self._child_program = filters.child_program() if filters.available() else b""

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Have one request done and return the server's answer, within the ``wall_seconds`` of its limits."""
        limits = request["limits"]
        seconds = limits["wall_seconds"]
        left = seconds - min(_ANSWER_SECONDS, _ANSWER_FRACTION * seconds)
        if self._process is not None and self._process.poll() is not None:
            self.close()  # it died while it was idle
        if self._process is None:
            self._start()
        try:
            answer = self._exchange({**request, "limits": {**limits, "wall_seconds": left}}, seconds)
        except BaseException:
            self.close()
            raise
        self._runs += 1
        # An abnormal end may leave what the next run could see: a fresh server costs less than a doubt.
        if answer["stopped"] or answer["status"] != 0 or not answer["clean"] or self._runs >= RUNS_BEFORE_RENEWAL:
            self.close()
        return answer

    def _start(self) -> None:
        wall = self._wall
        self._runs = 0
        command: tuple[str, ...]
        with contextlib.ExitStack() as stack:
            if wall is None:
                self._scratch = Path(tempfile.mkdtemp(prefix="gatllm-"))
                wall = bare(self._scratch)
                if wall.drop_to is not None:
                    os.chown(self._scratch, wall.drop_to, wall.drop_to)
            command = wall.command
            passed: tuple[int, ...] = ()
            if wall.takes_filter and self._child_program:
                file = stack.enter_context(tempfile.TemporaryFile())
                file.write(filters.outer_program())
                file.flush()
                file.seek(0)
                passed = (file.fileno(),)
                command = (command[0], "--seccomp", str(file.fileno()), *command[1:])
            start = _starter().submit(
                subprocess.Popen,
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=passed,
                start_new_session=True,
                cwd="/",
            )
            self._process = start.result()
        try:
            setup = {"filter": base64.b64encode(self._child_program).decode(), "drop_to": wall.drop_to}
            self._exchange(setup, _START_SECONDS)
        except BaseException:
            self.close()
            raise

    def _exchange(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise WorkerError("it is closed")
        body = json.dumps(request, separators=(",", ":")).encode()
        try:
            process.stdin.write(struct.pack(">I", len(body)) + body)
            process.stdin.flush()
        except OSError as error:
            raise WorkerError(f"it is gone: {error}") from None
        deadline = time.monotonic() + seconds
        (length,) = struct.unpack(">I", self._read(process.stdout.fileno(), 4, deadline))
        if length > _MOST_FRAME:
            raise WorkerError("it sent too much")
        answer = json.loads(self._read(process.stdout.fileno(), length, deadline))
        if not isinstance(answer, dict):
            raise WorkerError("it sent nonsense")
        return answer

    def _read(self, descriptor: int, count: int, deadline: float) -> bytes:
        data = bytearray()
        while len(data) < count:
            ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(descriptor, count - len(data)) if ready else b""
            if not ready:
                raise StalledError("it does not answer")
            if not piece:
                raise WorkerError("it ended")
            data += piece
        return bytes(data)

    def close(self) -> None:
        """End the server and everything in it."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()  # bwrap takes its whole process namespace with it
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None
