"""One request at work: counted, timed, stopped when its client leaves."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import JSONResponse

from gatllm.answering import Answer, Assistant, CodeReview, Draft, Text
from gatllm.models import ChatGenerator, ChatOptions, Completion, Message
from gatllm.service.accounts import Caller
from gatllm.service.errors import ApiError, describe
from gatllm.service.metrics import Watch
from gatllm.service.openai.messages import as_json
from gatllm.service.parts import parts_of
from gatllm.service.slots import PING, Ticket

T = TypeVar("T")
STREAM_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


class Run:
    """The answers to one request, as events."""

    def __init__(
        self, request: Request, ticket: Ticket, caller: Caller | None, assistant: Assistant | None = None
    ) -> None:
        self.request = request
        self.ticket = ticket
        self.caller = caller
        self.parts = parts_of(request)
        self.assistant = assistant or self.parts.assistant
        self.created = int(time.time())
        self.id = str(request.state.id)
        self.usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        self._looked = time.monotonic()

    async def answer(
        self, prompt: str, history: Sequence[Message], options: ChatOptions
    ) -> AsyncIterator[Text | Answer | None]:
        """Yield what is said, None for every other sign of life, and last the answer.

        Raises:
            ApiError: the client has left.
        """
        learns = self.caller is not None and self.caller.is_known
        watch = Watch(self.parts.metrics)
        reason = "error"
        try:
            stream = self.ticket.run(lambda: self.assistant.stream(prompt, history, options, learn=learns))
            async for event in stream:
                if isinstance(event, Draft | Text | CodeReview):
                    watch.token()
                if isinstance(event, Answer):
                    reason = event.finish_reason
                    self.count(event.prompt_tokens, event.completion_tokens)
                    watch.end(reason, event.prompt_tokens, event.completion_tokens)
                    await self.parts.count_answer(self.caller, event)
                yield event if isinstance(event, Answer | Text) else None
                await self.look()
        except GeneratorExit:
            reason = "abort"
            raise
        finally:
            if reason in ("error", "abort"):
                watch.end(reason)

    async def work(self, make: Any) -> AsyncIterator[Any]:
        """Yield what other work of a request gives, and None for signs of life.

        Raises:
            ApiError: the client has left.
        """
        async for item in self.ticket.run(make):
            yield item
            await self.look()

    async def look(self) -> None:
        """Look once a second whether the client is still there: a long answer is never silent.

        Raises:
            ApiError: it has left.
        """
        if time.monotonic() - self._looked > PING:
            self._looked = time.monotonic()
            if await self.request.is_disconnected():
                raise ApiError(499, "the client has left")

    def count(self, prompt_tokens: int, completion_tokens: int) -> None:
        """Add to the usage that is told with the answer; several answers share one prompt."""
        self.usage["prompt_tokens"] = max(self.usage["prompt_tokens"], prompt_tokens)
        self.usage["completion_tokens"] += completion_tokens
        self.usage["total_tokens"] = self.usage["prompt_tokens"] + self.usage["completion_tokens"]


async def events(
    first: dict[str, Any] | None, rest: AsyncIterator[dict[str, Any] | None], *, named: bool = False
) -> AsyncIterator[bytes]:
    """Yield chunks as server-sent events; a failure on the way is told as one. ``named``: by their ``type``."""
    yield _line(first, named)
    try:
        async for chunk in rest:
            yield _line(chunk, named)
    except Exception as error:  # the status is sent already: all that is left is to say it here
        failure = describe(error)[1]
        yield _line({"type": "error", **failure} if named else failure, named)
    if not named:
        yield b"data: [DONE]\n\n"


def _line(chunk: dict[str, Any] | None, named: bool) -> bytes:
    if chunk is None:
        return b": still at work\n\n"
    name = f"event: {chunk['type']}\n" if named else ""
    return f"{name}data: {as_json(chunk)}\n\n".encode()


class SafeJSON(JSONResponse):
    """JSON whatever a generator said: half a character becomes a question mark."""

    def render(self, content: Any) -> bytes:
        """Return the bytes."""
        return as_json(content).encode()


def continued(generator: ChatGenerator, prompt: str, options: ChatOptions) -> Generator[str | Completion, None, None]:
    """Yield how a text continues, and its completion. Models that only converse are asked to."""
    complete = getattr(generator, "complete", None)
    if complete is None:
        asked: list[Message] = [{"role": "user", "content": prompt}]
        pieces: Iterator[str | Completion] = generator.stream(asked, options)
        yield from pieces
        return
    done: Completion = complete([prompt], options)[0]
    yield done.text
    yield done


__all__ = ["STREAM_HEADERS", "Run", "SafeJSON", "continued", "events"]
