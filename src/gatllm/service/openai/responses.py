"""``POST /v1/responses``: the part of OpenAI's newer API that is text in, text out, and keeps nothing here."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, Field

from gatllm.answering import Answer, Text
from gatllm.service.access import Asker
from gatllm.service.openai.chat import extension
from gatllm.service.openai.errors import RESPONSES
from gatllm.service.openai.messages import ChatMessage, TextPart, arrange
from gatllm.service.openai.run import STREAM_HEADERS, Run, SafeJSON, events
from gatllm.service.openai.schema import Limit, ResponseFormat, Sampled, StreamOptions, _no_call, _text_only
from gatllm.service.parts import Held, parts_of
from gatllm.service.prompt_size import check_size
from gatllm.service.schema import Body
from gatllm.service.slots import PING

router = APIRouter(prefix="/v1", tags=["OpenAI"], responses=RESPONSES)


class InputItem(Body):
    """A message, or a tool call with its result, of what was said before."""

    type: Literal["message", "function_call", "function_call_output", "reasoning"] | None = None
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: str | list[TextPart] | None = None
    id: str | None = None
    status: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | list[TextPart] | None = None
    summary: list[Any] | None = None
    encrypted_content: str | None = None

    def message(self) -> ChatMessage | None:
        """Return it as the chat API has it."""
        if self.type == "reasoning":
            return None
        if self.type == "function_call":
            return ChatMessage(role="assistant", content=f"(I called {self.name} with {self.arguments or 'nothing'}.)")
        if self.type == "function_call_output":
            return ChatMessage(role="tool", tool_call_id=self.call_id, content=self.output)
        return ChatMessage(role=self.role or "user", content=self.content)


class TextForm(Body):
    """In which form to answer."""

    format: Annotated[ResponseFormat | None, AfterValidator(_text_only)] = None
    verbosity: str | None = None


def _kept_elsewhere(value: Any) -> Any:
    if value is not None:
        raise ValueError("is not supported: this server keeps no responses; send what was said before as input")
    return value


class ResponsesRequest(Sampled):
    """``POST /v1/responses``."""

    model: str
    input: str | Annotated[list[InputItem], Field(min_length=1, max_length=2048)]
    instructions: str | None = None
    max_output_tokens: Limit = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    text: TextForm | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Annotated[str | dict[str, Any] | None, AfterValidator(_no_call)] = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: int | None = None
    previous_response_id: Annotated[str | None, AfterValidator(_kept_elsewhere)] = None
    conversation: Annotated[Any, AfterValidator(_kept_elsewhere)] = None
    background: Annotated[bool | None, AfterValidator(lambda value: _kept_elsewhere(value or None))] = None
    reasoning: dict[str, Any] | None = None
    include: list[str] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    top_logprobs: Annotated[int | None, Field(ge=0, le=20)] = None
    store: bool | None = None
    metadata: dict[str, Any] | None = None
    service_tier: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None


@router.post("/responses", response_model=None)
async def responses(
    asked: ResponsesRequest, request: Request, held: Held, caller: Asker
) -> StreamingResponse | SafeJSON:
    """Answer a conversation."""
    parts = parts_of(request)
    assistant = parts.assistant_of(asked.model)
    messages = [ChatMessage(role="system", content=asked.instructions)] if asked.instructions else []
    if isinstance(asked.input, str):
        messages.append(ChatMessage(role="user", content=asked.input))
    else:
        messages += [message for item in asked.input if (message := item.message()) is not None]
    messages = messages or [ChatMessage(role="user", content="")]
    prompt, history = arrange(messages)
    await check_size(assistant.generator, [*history, {"role": "user", "content": prompt}])
    response = _Response(asked, Run(request, await held.take(), caller, assistant))
    options = asked.sampled(assistant.options, 0, asked.max_output_tokens)
    answer = response.run.answer(prompt, history, options)
    if not asked.stream:
        async for event in answer:
            if isinstance(event, Answer):
                return SafeJSON(response.body(event))
    chunks = response.chunks(answer)
    first = await anext(chunks)
    body = events(first, chunks, named=True)
    return StreamingResponse(body, media_type="text/event-stream", headers=STREAM_HEADERS)


class _Response:
    """One answer in the newer form."""

    def __init__(self, asked: ResponsesRequest, run: Run) -> None:
        self.asked = asked
        self.run = run
        self.item = f"msg_{run.id}"
        self._number = -1

    def body(self, answer: Answer | None, status: str = "in_progress") -> dict[str, Any]:
        """Return the response as it stands."""
        cut = answer is not None and answer.finish_reason == "length"
        usage = self.run.usage
        return {
            "id": f"resp_{self.run.id}", "object": "response", "created_at": self.run.created, "error": None,
            "status": status if answer is None else "incomplete" if cut else "completed",
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "instructions": self.asked.instructions, "max_output_tokens": self.asked.max_output_tokens,
            "metadata": self.asked.metadata or {}, "model": self.asked.model, "parallel_tool_calls": False,
            "output": [] if answer is None else [self._message(answer.text, "incomplete" if cut else "completed")],
            "previous_response_id": None, "reasoning": {"effort": None, "summary": None}, "store": False,
            "temperature": self.asked.temperature, "text": {"format": {"type": "text"}}, "tool_choice": "none",
            "tools": [], "top_p": self.asked.top_p, "truncation": "disabled", "user": self.asked.user,
            "usage": None if answer is None else {
                "input_tokens": usage["prompt_tokens"], "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": usage["completion_tokens"], "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": usage["total_tokens"],
            },
            **({} if answer is None else {"gatllm": extension(answer, self.asked.unused())}),
        }  # fmt: skip

    def _message(self, text: str | None, status: str) -> dict[str, Any]:
        content = [] if text is None else [_part(text)]
        return {"id": self.item, "type": "message", "role": "assistant", "status": status, "content": content}

    def _event(self, kind: str, **more: Any) -> dict[str, Any]:
        self._number += 1
        return {"type": f"response.{kind}", "sequence_number": self._number, **more}

    async def chunks(self, answer: AsyncIterator[Text | Answer | None]) -> AsyncIterator[dict[str, Any] | None]:
        """Yield the events in their order; None is a sign of life."""
        place = {"item_id": self.item, "output_index": 0, "content_index": 0}
        begun = False
        said = time.monotonic()
        async for event in answer:
            if event is None:
                if time.monotonic() - said >= PING:
                    said = time.monotonic()
                    yield None
                continue
            said = time.monotonic()
            if not begun:
                begun = True
                yield self._event("created", response=self.body(None))
                yield self._event("in_progress", response=self.body(None))
                yield self._event("output_item.added", output_index=0, item=self._message(None, "in_progress"))
                yield self._event("content_part.added", **place, part=_part(""))
            if isinstance(event, Text):
                yield self._event("output_text.delta", **place, delta=event.text, logprobs=[])
                continue
            body = self.body(event)
            yield self._event("output_text.done", **place, text=event.text, logprobs=[])
            yield self._event("content_part.done", **place, part=_part(event.text))
            yield self._event("output_item.done", output_index=0, item=body["output"][0])
            yield self._event("incomplete" if body["status"] == "incomplete" else "completed", response=body)


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
