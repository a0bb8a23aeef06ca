"""``POST /v1/completions``: text continues. It is a fragment, so nothing reviews or corrects it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from gatllm.models import Completion
from gatllm.service.access import Asker
from gatllm.service.metrics import Watch
from gatllm.service.openai.errors import RESPONSES
from gatllm.service.openai.run import STREAM_HEADERS, Run, SafeJSON, continued, events
from gatllm.service.openai.schema import CompletionRequest
from gatllm.service.parts import Held, count_use, parts_of
from gatllm.service.prompt_size import check_size

router = APIRouter(prefix="/v1", tags=["OpenAI"], responses=RESPONSES)


@router.post("/completions", response_model=None)
async def completions(
    asked: CompletionRequest, request: Request, held: Held, caller: Asker
) -> StreamingResponse | SafeJSON:
    """Continue one or several texts."""
    parts = parts_of(request)
    assistant = parts.assistant_of(asked.model)
    prompts = [asked.prompt] if isinstance(asked.prompt, str) else asked.prompt
    for prompt in prompts:
        await check_size(assistant.generator, [{"role": "user", "content": prompt}])
    work = _Completions(asked, Run(request, await held.take(), caller, assistant), prompts)
    if not asked.stream:
        return SafeJSON(await work.whole())
    chunks = work.chunks()
    first = await anext(chunks)
    return StreamingResponse(events(first, chunks), media_type="text/event-stream", headers=STREAM_HEADERS)


class _Completions:
    def __init__(self, asked: CompletionRequest, run: Run, prompts: list[str]) -> None:
        self.asked = asked
        self.run = run
        self.prompts = prompts
        self.head = {
            "id": f"cmpl-{run.id}", "object": "text_completion", "created": run.created, "model": asked.model,
        }  # fmt: skip

    async def _pieces(self) -> AsyncIterator[tuple[int, str | Completion | None]]:
        """Yield (choice, piece) of each prompt and each of its continuations; None is a sign of life."""
        count, parts = self.asked.n or 1, self.run.parts
        generator = self.run.assistant.generator
        for number, prompt in enumerate(self.prompts):
            for choice in range(count):
                index = number * count + choice
                options = self.asked.sampled(self.run.assistant.options, choice, self.asked.max_tokens)
                if self.asked.echo:
                    yield index, prompt
                watch = Watch(parts.metrics)
                async for piece in self.run.work(lambda text=prompt, how=options: continued(generator, text, how)):
                    if isinstance(piece, str):
                        watch.token()
                    if isinstance(piece, Completion):
                        self.run.count(piece.prompt_tokens, piece.completion_tokens)
                        watch.end(piece.finish_reason, piece.prompt_tokens, piece.completion_tokens)
                        await count_use(parts, self.run.caller, piece.prompt_tokens, piece.completion_tokens)
                    yield index, piece

    async def whole(self) -> dict[str, Any]:
        """Return the complete answer."""
        texts: dict[int, str] = {}
        reasons: dict[int, str] = {}
        async for index, piece in self._pieces():
            if isinstance(piece, str):
                texts[index] = texts.get(index, "") + piece
            elif piece is not None:
                reasons[index] = piece.finish_reason
        choices = [_choice(index, texts.get(index, ""), reasons[index]) for index in sorted(reasons)]
        return {**self.head, "choices": choices, "usage": self.run.usage}

    async def chunks(self) -> AsyncIterator[dict[str, Any] | None]:
        """Yield the chunks; None is a sign of life."""
        told = time.monotonic()
        async for index, piece in self._pieces():
            if piece is None and time.monotonic() - told < 1:
                continue
            told = time.monotonic()
            if piece is None:
                yield None
            elif isinstance(piece, str):
                yield {**self.head, "choices": [_choice(index, piece, None)]}
            else:
                yield {**self.head, "choices": [_choice(index, "", piece.finish_reason)]}
        if self.asked.stream_options and self.asked.stream_options.include_usage:
            yield {**self.head, "choices": [], "usage": self.run.usage}


def _choice(index: int, text: str, reason: str | None) -> dict[str, Any]:
    return {"index": index, "text": text, "finish_reason": reason, "logprobs": None}
