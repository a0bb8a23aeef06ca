"""Who may generate now, who waits, and who is told to come back later."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Generator
from dataclasses import dataclass, field
from typing import TypeVar

from gatllm.errors import GatllmError

T = TypeVar("T")
PING = 1.0  # seconds between signs of life while there is nothing to say


class BusyError(GatllmError):
    """All slots are taken and the queue is full."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"the server is busy: {waiting} requests are waiting", "try again in a few seconds")


class StoppingError(GatllmError):
    """The server is shutting down."""

    def __init__(self) -> None:
        super().__init__("the server is shutting down", "try again when it is back")


@dataclass
class Slots:
    """A bounded number of generations at once and a bounded queue before them (first come, first served).

    Everything here runs on the event loop's thread, so nothing is locked.
    """

    size: int = 1
    queue: int = 8
    running: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    finished: Counter[str] = field(default_factory=Counter)
    last_sign: float = field(default_factory=time.monotonic)
    stop_at: float | None = None  # when open streams must have ended (monotonic seconds); None: not stopping

    def enter(self) -> Ticket:
        """Take a place in the queue.

        Raises:
            BusyError: it is full.
            StoppingError: the server is shutting down.
        """
        if self.stop_at is not None:
            raise StoppingError
        if self.running >= self.size and len(self.waiting) >= self.queue:
            raise BusyError(len(self.waiting))
        return Ticket(self)

    def begin_stop(self, grace: float) -> None:
        """Admit nobody any more, and end what is running within ``grace`` seconds."""
        self.stop_at = time.monotonic() + grace
        while self.waiting:
            place = self.waiting.popleft()
            if not place.done():
                place.set_exception(StoppingError())

    def _free(self) -> None:
        while self.waiting:
            place = self.waiting.popleft()
            if not place.done():
                place.set_result(None)  # the slot is handed on: `running` stays
                return
        self.running -= 1


class Ticket:
    """One place in the queue, then one slot, until `leave`. Held by a request from its first to its last byte."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self._works: set[asyncio.Future[None]] = set()
        self._stops: list[threading.Event] = []
        self._place: asyncio.Future[None] | None = None
        self._has_slot = slots.running < slots.size
        if self._has_slot:
            slots.running += 1
            slots.last_sign = time.monotonic()  # it has not been silent before it began
        else:
            self._place = asyncio.get_running_loop().create_future()
            slots.waiting.append(self._place)

    async def wait(self, seconds: float) -> bool:
        """Wait for the slot, at most so long; tell whether it is there.

        Raises:
            StoppingError: the server is shutting down.
        """
        if not self._has_slot and self._place is not None:
            done, _ = await asyncio.wait([self._place], timeout=seconds)
            if done:
                self._place.result()
                self._has_slot = True
                self.slots.last_sign = time.monotonic()
        return self._has_slot

    async def run(self, make: Callable[[], Generator[T, None, None]]) -> AsyncIterator[T | None]:
        """Yield what a generator yields, which runs in a thread; None every `PING` seconds of silence.

        The generator is closed when the consumer leaves or the server must stop, between two of its items.

        Raises:
            StoppingError: the server is shutting down and the time for open streams is over.
        """
        while not await self.wait(PING):
            yield None
        loop = asyncio.get_running_loop()
        items: asyncio.Queue[tuple[str, T | BaseException | None]] = asyncio.Queue()
        stop = threading.Event()

        def say(kind: str, item: T | BaseException | None = None) -> None:
            loop.call_soon_threadsafe(items.put_nowait, (kind, item))

        def work() -> None:
            source = make()
            try:
                for item in source:
                    say("item", item)
                    if stop.is_set():
                        break
            except BaseException as error:  # whatever it is, it belongs to whoever is waiting
                say("error", error)
            else:
                say("end")
            finally:
                source.close()

        self._stops.append(stop)
        self._works.add(loop.run_in_executor(None, work))
        try:
            while True:
                try:
                    kind, item = await asyncio.wait_for(items.get(), PING)
                except TimeoutError:
                    kind, item = "ping", None
                if self.slots.stop_at is not None and time.monotonic() > self.slots.stop_at:
                    raise StoppingError
                if kind == "end":
                    return
                if kind == "error":
                    assert isinstance(item, BaseException)  # noqa: S101  # said by `work` above
                    raise item
                if kind == "item":
                    self.slots.last_sign = time.monotonic()
                yield item if kind == "item" else None  # type: ignore[misc]
        finally:
            stop.set()

    async def leave(self) -> None:
        """Give the slot back, once the generator has really stopped: two at once would share its processor."""
        for stop in self._stops:  # the stream's own end may come later than the request's
            stop.set()
        if self._works:
            await asyncio.wait(self._works)
        if self._place is not None and not self._has_slot:
            if self._place.done() and not self._place.cancelled() and self._place.exception() is None:
                self._has_slot = True  # it was handed to us while we were leaving
            else:
                self._place.cancel()
                if self._place in self.slots.waiting:
                    self.slots.waiting.remove(self._place)
        if self._has_slot:
            self._has_slot = False
            self.slots._free()
