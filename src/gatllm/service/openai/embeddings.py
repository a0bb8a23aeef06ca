"""``POST /v1/embeddings``: texts as vectors of the generator."""

from __future__ import annotations

import base64
import struct
from collections.abc import Generator, Sequence
from typing import Any, Protocol, runtime_checkable

from fastapi import APIRouter, Request

from gatllm.service.access import Asker
from gatllm.service.errors import ApiError
from gatllm.service.openai.errors import RESPONSES
from gatllm.service.openai.run import Run, SafeJSON
from gatllm.service.openai.schema import EmbeddingRequest
from gatllm.service.parts import Held, count_use, parts_of
from gatllm.service.prompt_size import check_size

router = APIRouter(prefix="/v1", tags=["OpenAI"], responses=RESPONSES)


@runtime_checkable
class Embeds(Protocol):
    """A generator that gives its states."""

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], int]:
        """Return a vector of length 1 for each text, and how many tokens were read."""


@router.post("/embeddings", response_model=None)
async def embeddings(asked: EmbeddingRequest, request: Request, held: Held, caller: Asker) -> SafeJSON:
    """Return one vector for each text, scaled to length 1."""
    parts = parts_of(request)
    generator = parts.assistant_of(asked.model).generator
    if not isinstance(generator, Embeds):
        raise ApiError(400, f"the model {generator.name} gives no embeddings", param="model", code="unsupported_value")
    texts = [asked.input] if isinstance(asked.input, str) else asked.input
    if not all(texts):
        raise ApiError(400, "'$.input' is invalid: input cannot be an empty string.", param="input")
    for text in texts:
        await check_size(generator, [{"role": "user", "content": text}])

    def work() -> Generator[tuple[list[list[float]], int], None, None]:
        yield generator.embed(texts)

    run = Run(request, await held.take(), caller)
    [(vectors, tokens)] = [item async for item in run.work(work) if item is not None]
    await count_use(parts, caller, tokens, 0)
    packed = asked.encoding_format == "base64"
    data: list[dict[str, Any]] = [
        {"object": "embedding", "index": at, "embedding": _packed(vector) if packed else vector}
        for at, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return SafeJSON({"object": "list", "data": data, "model": asked.model, "usage": usage})


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
