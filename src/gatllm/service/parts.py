"""What the service is made of, as its pages and its API find it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from gatllm.answering import Assistant
from gatllm.service.access import Access, caller_or_none
from gatllm.service.accounts import Accounts, Caller
from gatllm.service.conversations import Conversations
from gatllm.service.data_requests import DataRequests
from gatllm.service.database import Database
from gatllm.service.feedback import FeedbackBook
from gatllm.service.health import Prober
from gatllm.service.jobs import Jobs
from gatllm.service.metrics import Metrics
from gatllm.service.personal_data import PersonalData
from gatllm.service.rates import Rates
from gatllm.service.slots import Slots, Ticket
from gatllm.service.usage import UsageBook


@dataclass
class Parts:
    """Everything that a request may need."""

    assistant: Assistant
    slots: Slots
    prober: Prober
    metrics: Metrics
    rates: Rates
    database: Database
    accounts: Accounts
    access: Access
    conversations: Conversations
    data_requests: DataRequests
    feedback: FeedbackBook
    personal_data: PersonalData
    usage: UsageBook
    jobs: Jobs
    market: object | None = None  # where there is one, its pages stand in the navigation
    started: int = field(default_factory=lambda: int(time.time()))
    writing: dict[str, str] = field(default_factory=dict)  # turns that are being answered, and whose they are
    stopped: set[str] = field(default_factory=set)  # of these, those that are to end
    saving: set[asyncio.Task[None]] = field(default_factory=set)  # what is on its way into the database


def parts_of(request: Request) -> Parts:
    """Return the parts of the app that serves ``request``."""
    parts: Parts = request.app.state.parts
    return parts


def client_of(request: Request, caller: Caller | None) -> str:
    """Return by what name a client takes its share: its key, its account or its address (of IPv6 the network)."""
    if caller is not None and caller.is_known:
        return caller.key_id or caller.account_id
    address = request.client.host if request.client else ""
    return ":".join(address.split(":")[:4]) if ":" in address else address


class Place:
    """What a request holds: nothing at first, then a ticket until the request is over."""

    def __init__(self, parts: Parts, client: str) -> None:
        self._parts = parts
        self._client = client
        self.ticket: Ticket | None = None

    def take(self) -> Ticket:
        """Enter the queue; who was refused for what they asked has not been there.

        Raises:
            ApiError: this client asks too often.
            BusyError: the queue is full.
            StoppingError: the server is shutting down.
        """
        self._parts.rates.take(self._client)
        self.ticket = self._parts.slots.enter(self._client)
        return self.ticket


async def place(request: Request) -> AsyncIterator[Place]:
    """Give back whatever place a request took.

    A dependency's end runs even when the response never begins; the end of a stream's generator doesn't.
    """
    held = Place(parts_of(request), client_of(request, await caller_or_none(request)))
    try:
        yield held
    finally:
        if held.ticket is not None:
            await held.ticket.leave()


Held = Annotated[Place, Depends(place)]


async def count_use(parts: Parts, caller: Caller | None, prompt_tokens: int, completion_tokens: int) -> None:
    """Write down what an account used."""
    if caller is not None:
        used = (caller.account_id, caller.key_id, prompt_tokens, completion_tokens)
        await asyncio.to_thread(parts.usage.add, *used)
