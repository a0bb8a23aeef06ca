"""``/v1``: the OpenAI-compatible API. What is known about an answer comes in a ``gatllm`` object beside it."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, StreamingResponse

from gatllm.answering import Answer, Assistant, Text
from gatllm.models import Message
from gatllm.service.errors import ApiError, describe
from gatllm.service.openai_schema import ChatRequest
from gatllm.service.prompt_size import check_size
from gatllm.service.slots import PING, Slots, Ticket

NAME = "gatllm"
_STREAM_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}

router = APIRouter(prefix="/v1")


class Place:
    """What a request holds: nothing at first, then a ticket until the request is over."""

    def __init__(self, slots: Slots, client: str) -> None:
        self._slots = slots
        self._client = client
        self.ticket: Ticket | None = None

    def take(self) -> Ticket:
        """Enter the queue; who was refused for what they asked has not been there.

        Raises:
            BusyError: it is full.
            StoppingError: the server is shutting down.
        """
        self.ticket = self._slots.enter(self._client)
        return self.ticket


async def place(request: Request) -> AsyncIterator[Place]:
    """Give back whatever place a request took.

    A dependency's end runs even when the response never begins; the end of a stream's generator doesn't.
    """
    held = Place(slots_of(request), client_of(request))
    try:
        yield held
    finally:
        if held.ticket is not None:
            await held.ticket.leave()


def client_of(request: Request) -> str:
    """Return by what name a client takes its share of the queue: its address (of IPv6 the network)."""
    address = request.client.host if request.client else ""
    return ":".join(address.split(":")[:4]) if ":" in address else address


def slots_of(request: Request) -> Slots:
    """Return the slots of the app that serves ``request``."""
    slots: Slots = request.app.state.slots
    return slots


def assistant_of(request: Request) -> Assistant:
    """Return the assistant of the app that serves ``request``."""
    assistant: Assistant = request.app.state.assistant
    return assistant


Held = Annotated[Place, Depends(place)]


def _known(request: Request, name: str) -> str:
    if name not in (NAME, assistant_of(request).generator.name):
        raise ApiError(404, f"there is no model {name!r}; this server has {NAME!r}", code="model_not_found")
    return name


def _model(request: Request, name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": request.app.state.started, "owned_by": "gatllm"}


@router.get("/models")
async def models(request: Request) -> dict[str, Any]:
    """List the one model; it also answers to the name of its generator."""
    names = dict.fromkeys((NAME, assistant_of(request).generator.name))
    return {"object": "list", "data": [_model(request, name) for name in names]}


@router.get("/models/{name:path}")
async def model(request: Request, name: str) -> dict[str, Any]:
    """Tell about one model."""
    return _model(request, _known(request, name))


@router.post("/chat/completions", response_model=None)
async def chat_completions(asked: ChatRequest, request: Request, held: Held) -> StreamingResponse | JSONResponse:
    """Answer a conversation; see `openai_schema.ChatRequest` for what is supported."""
    _known(request, asked.model)
    await check_size(assistant_of(request).generator, [message.plain() for message in asked.messages])
    job = _Job(asked, request, held.take())
    if not asked.stream:
        return JSONResponse(await job.whole())
    chunks = job.chunks()
    # The first chunk is made before the answer begins: what is refused is refused with its own status.
    first = await anext(chunks)
    return StreamingResponse(job.lines(first, chunks), media_type="text/event-stream", headers=_STREAM_HEADERS)


class _Job:
    """One request for one or several answers."""

    def __init__(self, asked: ChatRequest, request: Request, held: Ticket) -> None:
        self.asked = asked
        self.request = request
        self.held = held
        self.slots = slots_of(request)
        self.assistant = assistant_of(request)
        self.id = f"chatcmpl-{request.state.id}"
        self.created = int(time.time())
        *history, last = [message.plain() for message in asked.messages]
        self.history: list[Message] = history
        self.prompt = last["content"]
        self.usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}

    async def _events(self, choice: int) -> AsyncIterator[Text | Answer | None]:
        """Yield what is said, and None for every other sign of life."""
        options = self.asked.options(self.assistant.options, choice)
        async for event in self.held.run(lambda: self.assistant.stream(self.prompt, self.history, options)):
            if isinstance(event, Answer):
                self._count(event)
                yield event
            else:
                yield event if isinstance(event, Text) else None

    def _count(self, answer: Answer) -> None:
        self.slots.finished[answer.finish_reason] += 1
        self.usage["prompt_tokens"] = max(self.usage["prompt_tokens"], answer.prompt_tokens)
        self.usage["completion_tokens"] += answer.completion_tokens
        self.usage["total_tokens"] = self.usage["prompt_tokens"] + self.usage["completion_tokens"]

    async def whole(self) -> dict[str, Any]:
        """Return the complete answer; who has left gets none, and nothing is generated for them."""
        answers: list[Answer] = []
        looked = time.monotonic()
        for choice in range(self.asked.n or 1):
            async for event in self._events(choice):
                if isinstance(event, Answer):
                    answers.append(event)
                elif time.monotonic() - looked > PING:  # not only in silence: a long answer is never silent
                    looked = time.monotonic()
                    if await self.request.is_disconnected():
                        raise ApiError(499, "the client has left")
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", "content": answer.text, "refusal": None},
                "finish_reason": answer.finish_reason,
                "logprobs": None,
                "gatllm": extension(answer),
            }
            for index, answer in enumerate(answers)
        ]
        head = {"id": self.id, "object": "chat.completion", "created": self.created, "model": self.asked.model}
        return {**head, "choices": choices, "usage": self.usage, "gatllm": extension(answers[0])}

    def _chunk(self, choice: int | None, delta: dict[str, str], reason: str | None = None) -> dict[str, Any]:
        choices = (
            [] if choice is None else [{"index": choice, "delta": delta, "finish_reason": reason, "logprobs": None}]
        )
        head = {"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.asked.model}
        return {**head, "choices": choices}

    async def chunks(self) -> AsyncIterator[dict[str, Any] | None]:
        """Yield the chunks in the order that clients expect; None is a sign of life."""
        wants_usage = self.asked.stream_options is not None and self.asked.stream_options.include_usage
        empty: dict[str, Any] = {"usage": None} if wants_usage else {}
        for choice in range(self.asked.n or 1):
            begun = False
            said = time.monotonic()
            async for event in self._events(choice):
                if event is None:
                    if time.monotonic() - said >= PING:  # code is held back until it is reviewed
                        said = time.monotonic()
                        yield None
                    continue
                said = time.monotonic()
                if not begun:
                    begun = True
                    yield self._chunk(choice, {"role": "assistant", "content": ""}) | empty
                if isinstance(event, Text):
                    yield self._chunk(choice, {"content": event.text}) | empty
                else:
                    yield self._chunk(choice, {}, event.finish_reason) | empty | {"gatllm": extension(event)}
        if wants_usage:
            yield self._chunk(None, {}) | {"usage": self.usage}

    async def lines(
        self, first: dict[str, Any] | None, rest: AsyncIterator[dict[str, Any] | None]
    ) -> AsyncIterator[str]:
        """Yield the chunks as server-sent events; a failure on the way is told as one."""
        yield _line(first)
        try:
            async for chunk in rest:
                yield _line(chunk)
        except Exception as error:  # the status is sent already: all that is left is to say it here
            self.slots.finished["error"] += 1
            yield _line(describe(error)[1])
        yield "data: [DONE]\n\n"


def _line(chunk: dict[str, Any] | None) -> str:
    return ": still at work\n\n" if chunk is None else f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"


def extension(answer: Answer) -> dict[str, Any]:
    """Return what is known about an answer."""
    whole = answer.to_json()
    kept = ("confidence", "threshold", "warning", "verdict", "edits", "reviews", "sources", "generator", "mean_logprob")
    return {"answer_id": answer.id, **{name: whole[name] for name in kept}}
