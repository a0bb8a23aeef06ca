"""Compiles files in child processes: CPython is the authority on what is Python, and may crash on hostile input."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gatllm.data.workers import CRASHED, TIMED_OUT, Workers

SECONDS_PER_FILE = 20.0
_SCRIPT = Path(__file__).with_name("_compiler.py")
_NO_ANSWER = {
    CRASHED: {"kind": "Crash", "message": "the compiler crashes on it", "line": 0},
    TIMED_OUT: {"kind": "Timeout", "message": f"compiling takes over {SECONDS_PER_FILE:.0f} s", "line": 0},
}


class Compiler:
    """A few compiling processes; use as a context manager."""

    def __init__(self, processes: int | None = None, seconds: float = SECONDS_PER_FILE) -> None:
        command = [sys.executable, "-I", "-S", str(_SCRIPT)]
        self._workers = Workers(command, processes=processes, seconds=seconds)

    def judge(self, files: Iterable[bytes]) -> list[dict[str, Any]]:
        """Return for each file the error that the compiler finds (``kind``, ``message``, ``line``), or nothing."""
        return [_NO_ANSWER.get(answer) or json.loads(answer) for answer in self._workers.map(files)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._workers.__exit__(kind, error, trace)
