"""Who may generate now, who waits, and who is told to come back later."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from gatllm.errors import GatllmError
from gatllm.service.worker import Worker

T = TypeVar("T")
PING = 1.0  # seconds between signs of life while there is nothing to say
PATIENCE = 5.0  # seconds that work gets to stop by itself before it is interrupted


class BusyError(GatllmError):
    """All slots are taken and the queue is full."""

    def __init__(self, waiting: int, *, own: bool = False) -> None:
        cause = f"{waiting} of your requests are open already" if own else f"{waiting} requests are waiting"
        super().__init__(f"the server is busy: {cause}", "try again in a few seconds")


class StoppingError(GatllmError):
    """The server is shutting down."""

    def __init__(self) -> None:
        super().__init__("the server is shutting down", "try again when it is back")


class TooLongError(GatllmError):
    """The work went on for longer than it may."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the answer was given up after {seconds:.0f} seconds", "ask for less at once")


@dataclass
class Slots:
    """A bounded number of generations at once and a bounded queue before them.

    Whoever was served longest ago is served next, so a client that asks for much waits behind one that asks for
    little. Everything here runs on the event loop's thread, so nothing is locked.

    Attributes:
        size: how many generations run at once.
        queue: how many more may wait.
        share: how many places one client may hold, running and waiting; None: all.
        step_seconds: the longest silence of a generation; one step of the work must not take longer.
        total_seconds: the longest generation.
    """

    size: int = 1
    queue: int = 8
    share: int | None = None
    step_seconds: float = 120.0
    total_seconds: float = 900.0
    running: int = 0
    waiting: list[Ticket] = field(default_factory=list)
    finished: Counter[str] = field(default_factory=Counter)
    last_sign: float = field(default_factory=time.monotonic)
    stop_at: float | None = None  # when open streams must have ended (monotonic seconds); None: not stopping
    _held: Counter[str] = field(default_factory=Counter)  # places by client
    _served: dict[str, float] = field(default_factory=dict)  # when each client that holds a place last got a slot
    _leaving: set[asyncio.Task[None]] = field(default_factory=set)

    def enter(self, client: str = "") -> Ticket:
        """Take a place in the queue for a client.

        Raises:
            BusyError: the queue is full, or the client's share of it is.
            StoppingError: the server is shutting down.
        """
        if self.stop_at is not None:
            raise StoppingError
        if self.share is not None and self._held[client] >= self.share:
            raise BusyError(self._held[client], own=True)
        if self.running >= self.size and len(self.waiting) >= self.queue:
            raise BusyError(len(self.waiting))
        self._held[client] += 1
        ticket = Ticket(self, client)
        if self.running < self.size:
            self.running += 1
            self._grant(ticket)
        else:
            self.waiting.append(ticket)
        return ticket

    def begin_stop(self, grace: float) -> None:
        """Admit nobody any more, and end what is running within ``grace`` seconds."""
        self.stop_at = time.monotonic() + grace
        for ticket in self.waiting:
            ticket.refuse(StoppingError())
        self.waiting.clear()

    def _grant(self, ticket: Ticket) -> None:
        self.last_sign = self._served[ticket.client] = time.monotonic()  # it has not been silent before it began
        ticket.grant()

    def _free(self) -> None:
        if not self.waiting:
            self.running -= 1
            return
        # The slot is handed on, `running` stays. `min` takes the first of equals: first come, first served.
        following = min(self.waiting, key=lambda ticket: self._served.get(ticket.client, 0.0))
        self.waiting.remove(following)
        self._grant(following)

    def _forget(self, client: str) -> None:
        self._held[client] -= 1
        if self._held[client] <= 0:  # so that this grows with those who are here, not with all who ever were
            del self._held[client]
            self._served.pop(client, None)


class Ticket:
    """One place in the queue, then one slot, until `leave`. Held by a request from its first to its last byte."""

    def __init__(self, slots: Slots, client: str) -> None:
        self.slots = slots
        self.client = client
        self._workers: list[Worker[Any]] = []
        self._place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left: asyncio.Task[None] | None = None
        self.waited = 0.0  # seconds in the queue
        self._entered = time.monotonic()

    def grant(self) -> None:
        """Hand the slot over."""
        self.waited = time.monotonic() - self._entered
        self._place.set_result(None)

    def refuse(self, error: Exception) -> None:
        """Tell whoever waits that there will be none."""
        self._place.set_exception(error)
        self._place.exception()  # who waits may be gone: nobody need ask for it

    @property
    def has_slot(self) -> bool:
        """Whether the slot is there."""
        return self._place.done() and not self._place.cancelled() and self._place.exception() is None

    async def wait(self, seconds: float) -> bool:
        """Wait for the slot, at most so long; tell whether it is there.

        Raises:
            StoppingError: the server is shutting down.
        """
        done, _ = await asyncio.wait([self._place], timeout=seconds)
        if done:
            self._place.result()
        return bool(done)

    async def run(self, make: Callable[[], Generator[T, None, None]]) -> AsyncGenerator[T | None, None]:
        """Yield what a generator yields, which runs in a thread of its own; None every `PING` seconds of silence.

        The generator is closed when the consumer leaves or the server must stop: between two of its items, or by force
        when the next does not come.

        Raises:
            StoppingError: the server is shutting down and the time for open streams is over.
            TooLongError: a step of the work, or all of it, took longer than it may.
        """
        while not await self.wait(PING):
            yield None
        slots = self.slots
        worker: Worker[T] = Worker(make)
        self._workers.append(worker)
        began = heard = time.monotonic()
        try:
            while True:
                items: list[T] = []
                if worker.pending:  # a timer for each word would cost as much as the word
                    items.append(await worker.next())
                else:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(PING):
                            items.append(await worker.next())
                now = time.monotonic()
                if slots.stop_at is not None and now > slots.stop_at:
                    raise StoppingError
                if now - began > slots.total_seconds:
                    raise TooLongError(slots.total_seconds)
                if items:
                    slots.last_sign = heard = now
                    yield items[0]
                elif now - heard > slots.step_seconds:
                    raise TooLongError(slots.step_seconds)
                else:
                    yield None
        except StopAsyncIteration:
            return
        finally:
            worker.stop()

    async def leave(self) -> None:
        """Give the slot back, once the work has really stopped: two at once would share its processor.

        A request that is cancelled while it leaves has left all the same: the rest continues without it.
        """
        if self._left is None:
            self._left = asyncio.create_task(self._leave())
            self.slots._leaving.add(self._left)  # the loop itself keeps tasks by weak references only
            self._left.add_done_callback(self.slots._leaving.discard)
        await asyncio.shield(self._left)

    async def _leave(self) -> None:
        try:
            for worker in self._workers:
                await worker.end(PATIENCE)
        finally:
            if self in self.slots.waiting:
                self.slots.waiting.remove(self)
                self._place.cancel()
            elif self.has_slot:
                self.slots._free()
            self.slots._forget(self.client)
