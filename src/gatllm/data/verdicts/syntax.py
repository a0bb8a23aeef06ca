"""Compiles many files in child processes: CPython's own parser is the authority, and may crash on hostile input."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

SECONDS_PER_FILE = 20.0
_SCRIPT = Path(__file__).with_name("_compiler.py")


class _Child:
    """One compiling process; restarted when a file kills it."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def judge(self, data: bytes) -> dict[str, object]:
        """Return the compiler's error for one file, or nothing."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None  # noqa: S101, PT018
        try:
            stdin.write(len(data).to_bytes(8, "big") + data)
            stdin.flush()
            ready, _, _ = select.select([stdout], [], [], SECONDS_PER_FILE)
            line = stdout.readline() if ready else b""
        except OSError:
            line, ready = b"", [stdout]
        if line:
            answer: dict[str, object] = json.loads(line)
            return answer
        self.close()
        self._start()
        if not ready:
            return {"kind": "Timeout", "message": f"compiling takes over {SECONDS_PER_FILE:.0f} s", "line": 0}
        return {"kind": "Crash", "message": "the compiler crashes on it", "line": 0}

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # a write that the dead child never took
                    pipe.close()


class Compiler:
    """A few compiling processes; use as a context manager."""

    def __init__(self, processes: int | None = None) -> None:
        self._children = [_Child() for _ in range(processes or os.cpu_count() or 1)]

    def judge(self, files: Sequence[bytes]) -> list[dict[str, object]]:
        """Return for each file the error that the compiler finds (``kind``, ``message``, ``line``), or nothing."""
        answers: list[dict[str, object]] = [{}] * len(files)
        todo = iter(range(len(files)))
        lock = threading.Lock()

        def work(child: _Child) -> None:
            while True:
                with lock:
                    index = next(todo, None)
                if index is None:
                    return
                answers[index] = child.judge(files[index])

        threads = [threading.Thread(target=work, args=(child,), daemon=True) for child in self._children]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self._children:
            child.close()
