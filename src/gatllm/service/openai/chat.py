"""``POST /v1/chat/completions``. What is known about an answer comes in a ``gatllm`` object beside it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from gatllm.answering import Answer, Text
from gatllm.service.access import Asker
from gatllm.service.openai.errors import RESPONSES
from gatllm.service.openai.messages import arrange
from gatllm.service.openai.run import STREAM_HEADERS, Run, SafeJSON, events
from gatllm.service.openai.schema import ChatRequest
from gatllm.service.parts import Held, parts_of
from gatllm.service.prompt_size import check_size
from gatllm.service.slots import PING

router = APIRouter(prefix="/v1", tags=["OpenAI"], responses=RESPONSES)


@router.post("/chat/completions", response_model=None)
async def chat_completions(
    asked: ChatRequest, request: Request, held: Held, caller: Asker
) -> StreamingResponse | SafeJSON:
    """Answer a conversation; code in the answer is checked and corrected before it is sent."""
    parts = parts_of(request)
    assistant = parts.assistant_of(asked.model)
    prompt, history = arrange(asked.messages)
    await check_size(assistant.generator, [*history, {"role": "user", "content": prompt}])
    chat = _Chat(asked, Run(request, await held.take(), caller, assistant), prompt, history)
    if not asked.stream:
        return SafeJSON(await chat.whole())
    chunks = chat.chunks()
    # The first chunk is made before the answer begins: what is refused is refused with its own status.
    first = await anext(chunks)
    return StreamingResponse(events(first, chunks), media_type="text/event-stream", headers=STREAM_HEADERS)


class _Chat:
    """One request for one or several answers."""

    def __init__(self, asked: ChatRequest, run: Run, prompt: str, history: list[Any]) -> None:
        self.asked = asked
        self.run = run
        self.prompt = prompt
        self.history = history
        self.head = {"id": f"chatcmpl-{run.id}", "created": run.created, "model": asked.model}
        self.unused = asked.unused()

    def _events(self, choice: int) -> AsyncIterator[Text | Answer | None]:
        options = self.asked.options(self.run.assistant.options, choice)
        return self.run.answer(self.prompt, self.history, options)

    async def whole(self) -> dict[str, Any]:
        """Return the complete answer."""
        answers: list[Answer] = []
        for choice in range(self.asked.n or 1):
            answers += [event async for event in self._events(choice) if isinstance(event, Answer)]
        choices: list[dict[str, Any]] = [
            {
                "index": index,
                "message": {"role": "assistant", "content": answer.text, "refusal": None, "annotations": []},
                "finish_reason": answer.finish_reason,
                "logprobs": None,
                "gatllm": extension(answer, self.unused),
            }
            for index, answer in enumerate(answers)
        ]
        known = extension(answers[0], self.unused)
        return {**self.head, "object": "chat.completion", "choices": choices, "usage": self.run.usage, "gatllm": known}

    def _chunk(self, choice: int | None, delta: dict[str, str], reason: str | None = None) -> dict[str, Any]:
        choices: list[dict[str, Any]] = (
            [] if choice is None else [{"index": choice, "delta": delta, "finish_reason": reason, "logprobs": None}]
        )
        return {**self.head, "object": "chat.completion.chunk", "choices": choices}

    async def chunks(self) -> AsyncIterator[dict[str, Any] | None]:
        """Yield the chunks in the order that clients expect; None is a sign of life."""
        wants_usage = bool(self.asked.stream_options and self.asked.stream_options.include_usage)
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
                    known = {"gatllm": extension(event, self.unused)}
                    yield self._chunk(choice, {}, event.finish_reason) | empty | known
        if wants_usage:
            yield self._chunk(None, {}) | {"usage": self.run.usage}


def extension(answer: Answer, unused: list[str]) -> dict[str, Any]:
    """Return what is known about an answer, and which parameters of the request had no effect on it."""
    whole = answer.to_json()
    kept = ("confidence", "threshold", "warning", "verdict", "edits", "reviews", "sources", "similar", "generator",
            "mean_logprob")  # fmt: skip
    return {"answer_id": answer.id, **{name: whole[name] for name in kept}, "unused": unused}
