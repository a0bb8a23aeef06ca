"""Child processes that answer bytes with bytes, in order; one that crashes or hangs takes only its own item with it.

Not `concurrent.futures`: a pool there breaks as a whole when a child dies, does not say on which item, and imports the
caller's main module again.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from queue import SimpleQueue
from types import TracebackType
from typing import Self

CRASHED = b"\0crashed"
TIMED_OUT = b"\0timed out"
_STARTING = 60.0  # seconds that a new interpreter may take before its first answer
_AHEAD = 64  # items in flight for each child, so that a stream of any length needs little memory


def _read(descriptor: int, size: int, seconds: float) -> bytes | None:
    """Return ``size`` bytes, b'' at the end of the file, None when it takes longer than ``seconds``."""
    parts: list[bytes] = []
    while size:
        if not select.select([descriptor], [], [], seconds)[0]:
            return None
        part = os.read(descriptor, min(size, 1 << 20))
        if not part:
            return b""
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


class _Child:
    """One process; started again when an item kills it."""

    def __init__(self, command: Sequence[str], seconds: float) -> None:
        self._command, self._seconds = list(command), seconds
        self._process: subprocess.Popen[bytes] | None = None

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        return subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=environment,
            start_new_session=True,  # Ctrl-C reaches the parent alone, which ends the children in order
        )

    def answer(self, item: bytes) -> bytes:
        """Return the child's answer, `CRASHED` or `TIMED_OUT`."""
        seconds = self._seconds
        if self._process is None:
            self._process = self._start()
            seconds += _STARTING
        process = self._process
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018
        try:
            view = memoryview(len(item).to_bytes(8, "big") + item)
            while view:
                view = view[process.stdin.write(view) :]
            head = _read(process.stdout.fileno(), 8, seconds)
            body = _read(process.stdout.fileno(), int.from_bytes(head, "big"), self._seconds) if head else head
        except OSError:
            head = body = b""
        if head and body is not None and len(body) == int.from_bytes(head, "big"):
            return body
        self.close()
        return TIMED_OUT if head is None or body is None else CRASHED

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()


def serve(answer: Callable[[bytes], bytes]) -> None:
    """Be a child: answer items from stdin on stdout until there are no more."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while len(header := requests.read(8)) == 8:
        reply = answer(requests.read(int.from_bytes(header, "big")))
        answers.write(len(reply).to_bytes(8, "big") + reply)
        answers.flush()


class Workers:
    """A few child processes that each run ``command``; use as a context manager.

    A child reads items from stdin and writes one answer each to stdout, both as eight bytes of length (big-endian)
    and the bytes; see `serve`.
    """

    def __init__(self, command: Sequence[str], *, processes: int | None = None, seconds: float = 60.0) -> None:
        self._children = [_Child(command, seconds) for _ in range(processes or os.cpu_count() or 1)]

    def map(self, items: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the answer to each item, in order; `CRASHED` or `TIMED_OUT` where there is none."""
        todo: SimpleQueue[tuple[bytes, SimpleQueue[bytes]] | None] = SimpleQueue()

        def work(child: _Child) -> None:
            while (task := todo.get()) is not None:
                task[1].put(child.answer(task[0]))

        threads = [threading.Thread(target=work, args=(child,), daemon=True) for child in self._children]
        for thread in threads:
            thread.start()
        waiting: deque[SimpleQueue[bytes]] = deque()
        try:
            for item in items:
                reply: SimpleQueue[bytes] = SimpleQueue()
                todo.put((item, reply))
                waiting.append(reply)
                if len(waiting) >= _AHEAD * len(threads):
                    yield waiting.popleft().get()
            while waiting:
                yield waiting.popleft().get()
        finally:
            with suppress(Exception):
                while not todo.empty():
                    todo.get_nowait()
            for _ in threads:
                todo.put(None)
            for thread in threads:
                thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self._children:
            child.close()
