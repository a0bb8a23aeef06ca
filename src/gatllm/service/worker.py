"""Work of one request in a thread of its own, which can be stopped from the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import threading
from collections import deque
from collections.abc import Callable, Generator
from typing import Generic, TypeVar

T = TypeVar("T")


class _Interrupted(BaseException):
    """Raised inside a thread whose work nobody waits for any more. No `Exception`: nothing on the way may keep it."""


class Worker(Generic[T]):
    """Runs a generator in a thread and hands its items to the event loop.

    Each has its own thread. The event loop's pool has a fixed number of them: work beyond it would wait there, unseen
    by the queue that is meant to bound and to show it. And a thread that never ends must not keep the process alive.
    """

    def __init__(self, make: Callable[[], Generator[T, None, None]]) -> None:
        self._make = make
        self._loop = asyncio.get_running_loop()
        self._items: deque[tuple[str, T | BaseException | None]] = deque()
        self._ready = asyncio.Event()
        self._told = False  # that there are items: the loop is woken once for all that come before it looks
        self._stop = threading.Event()
        self._over = asyncio.Event()
        self._guard = threading.Lock()
        self._working = True
        self._thread = threading.Thread(target=self._run, name="answer", daemon=True)
        self._thread.start()

    @property
    def pending(self) -> bool:
        """Whether `next` has something to return at once."""
        return bool(self._items)

    async def next(self) -> T:
        """Return the next item.

        Raises:
            StopAsyncIteration: there are no more.
            Exception: whatever the work raised.
        """
        while not self._items:
            self._ready.clear()
            self._told = False
            if not self._items:  # one that came between the two lines before has told nobody
                await self._ready.wait()
        kind, item = self._items.popleft()
        if kind == "item":
            return item  # type: ignore[return-value]
        if isinstance(item, Exception):
            raise item
        raise StopAsyncIteration

    def stop(self) -> None:
        """Let the work end after the item that it is making."""
        self._stop.set()

    async def end(self, patience: float) -> None:
        """Stop the work and wait until it has ended; interrupt it where that takes longer than ``patience`` seconds."""
        self.stop()
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), patience)
                return
            self._interrupt()

    def _run(self) -> None:
        try:
            try:
                self._work()
            finally:
                with self._guard:
                    self._working = False
        except BaseException as error:  # whatever it is, it belongs to whoever is waiting
            self._say("error", error)
        finally:
            self._tell(self._over.set)

    def _work(self) -> None:
        source = self._make()
        try:
            for item in source:
                self._say("item", item)
                if self._stop.is_set():
                    return
        finally:
            source.close()
        self._say("end")

    def _say(self, kind: str, item: T | BaseException | None = None) -> None:
        self._items.append((kind, item))
        if not self._told:
            self._told = True
            self._tell(self._ready.set)

    def _tell(self, call: Callable[..., object], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(call, *arguments)

    def _interrupt(self) -> None:
        """Raise an exception in the thread, at its next step of Python.

        Work that is busy inside one call to C continues until that returns. The guard makes sure that the thread is
        still at this work; afterwards nothing may be raised in it.
        """
        with self._guard:
            if self._working and self._thread.ident is not None:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(self._thread.ident), ctypes.py_object(_Interrupted)
                )
