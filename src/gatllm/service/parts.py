"""What the service is made of, as its pages and its API find it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request
from sqlalchemy.exc import IntegrityError

from gatllm.answering import Answer, Assistant
from gatllm.service.access import Access, caller_or_none
from gatllm.service.accounts import Accounts, Caller
from gatllm.service.attribution import Attribution
from gatllm.service.conversations import Conversations
from gatllm.service.data_requests import DataRequests
from gatllm.service.database import Database, DatabaseError
from gatllm.service.errors import ApiError
from gatllm.service.feedback import FeedbackBook
from gatllm.service.health import Prober
from gatllm.service.jobs import Jobs
from gatllm.service.metrics import Metrics
from gatllm.service.personal_data import PersonalData
from gatllm.service.rates import Rates
from gatllm.service.slots import Slots, Ticket
from gatllm.service.training_runs import TrainingRuns
from gatllm.service.training_work import TrainingWork
from gatllm.service.usage import UsageBook

NAME = "gatllm"  # the model that there is in any case
_UNCOUNTED = 10_000  # answers


class MarketFacts(Protocol):
    """The market, as pages know it that are not its own."""

    def facts(self) -> list[tuple[str, str]]:
        """Return what an operator wants to know."""

    def subscription(self, address: str) -> dict[str, Any]:
        """Return price, end and receipts of a wallet's subscription."""

    def chain_lag(self) -> float:
        """Return how old the chain's newest block is, in seconds."""


@dataclass
class Parts:
    """Everything that a request may need."""

    assistant: Assistant  # the first of `models`
    slots: Slots
    prober: Prober
    metrics: Metrics
    rates: Rates  # of questions
    tries: Rates  # of signing in, from one address
    database: Database
    accounts: Accounts
    access: Access
    conversations: Conversations
    data_requests: DataRequests
    feedback: FeedbackBook
    personal_data: PersonalData
    usage: UsageBook
    jobs: Jobs
    training_runs: TrainingRuns
    training: TrainingWork | None  # where there is a folder for new runs
    attribution: Attribution
    models: dict[str, Assistant] = field(default_factory=dict)  # by the names of their generators
    tokens_of: Callable[[str], list[str]] | None = None  # the tokens of a dataset by its root, where there is a market
    market: MarketFacts | None = None  # where there is one, its pages stand in the navigation
    started: int = field(default_factory=lambda: int(time.time()))
    writing: dict[str, str] = field(default_factory=dict)  # turns that are being answered, and whose they are
    uncounted: list[tuple[str, str, int, int]] = field(default_factory=list)  # usage that is not written down yet
    stopped: set[str] = field(default_factory=set)  # of these, those that are to end
    saving: set[asyncio.Task[None]] = field(default_factory=set)  # what is on its way into the database

    def assistant_of(self, model: str) -> Assistant:
        """Return who answers as a model; ``gatllm`` is the first.

        Raises:
            ApiError: there is no such model.
        """
        if model == NAME:
            return self.assistant
        if model not in self.models:
            message = f"The model `{model}` does not exist or you do not have access to it; this server has `{NAME}`."
            raise ApiError(404, message, param="model", code="model_not_found")
        return self.models[model]

    async def count_answer(self, caller: Caller | None, answer: Answer) -> None:
        """Write down what an answer used, and what it came from."""
        await count_use(self, caller, answer.prompt_tokens, answer.completion_tokens)
        if answer.sources:
            await asyncio.to_thread(self.attribution.add, caller, answer)


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

    async def take(self) -> Ticket:
        """Enter the queue; who was refused for what they asked has not been there.

        Raises:
            ApiError: this client asks too often.
            BusyError: the queue is full.
            StoppingError: the server is shutting down.
        """
        await self._parts.rates.take(self._client)
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
    """Write down what an account used. An answer that is there is given, also while the database is away."""
    if caller is None:
        return
    parts.uncounted.append((caller.account_id, caller.key_id, prompt_tokens, completion_tokens))
    if len(parts.uncounted) > _UNCOUNTED:
        del parts.uncounted[0]
    with contextlib.suppress(DatabaseError):  # the next answer tries again
        while parts.uncounted:
            used = parts.uncounted.pop()
            try:
                await asyncio.to_thread(parts.usage.add, *used)
            except DatabaseError as error:
                if not isinstance(error.__cause__, IntegrityError):  # else the account was erased meanwhile
                    parts.uncounted.append(used)
                    raise
