"""Ctrl-C: the first asks for a clean stop after the current step, the second stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import ParamSpec, Self, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Interrupt:
    """Within its block SIGINT and SIGTERM set `asked`; in threads that can't take signals it does nothing."""

    def __init__(self) -> None:
        self.asked = False
        self._at_once = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def waiting(self, function: Callable[P, T]) -> Callable[P, T]:
        """Return ``function`` such that within it the first Ctrl-C stops at once: it waits, there is no step to end."""

        def call(*arguments: P.args, **keywords: P.kwargs) -> T:
            self._at_once = True
            try:
                if self.asked:
                    raise KeyboardInterrupt
                return function(*arguments, **keywords)
            finally:
                self._at_once = False

        return call

    def _ask(self, _: int, __: FrameType | None) -> None:
        if self.asked or self._at_once:
            self._restore()
            raise KeyboardInterrupt
        self.asked = True

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before.clear()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()
