"""``GET /v1/models``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from gatllm.service.access import Asker
from gatllm.service.openai.errors import RESPONSES
from gatllm.service.parts import NAME, Parts, parts_of

router = APIRouter(prefix="/v1", tags=["OpenAI"], responses=RESPONSES)


def _model(parts: Parts, name: str) -> dict[str, Any]:
    context = parts.assistant_of(name).generator.context
    return {"id": name, "object": "model", "created": parts.started, "owned_by": "gatllm", "max_model_len": context}


@router.get("/models")
async def models(request: Request, _: Asker) -> dict[str, Any]:
    """List the models by their generators' names; ``gatllm`` is the first."""
    parts = parts_of(request)
    names = dict.fromkeys((NAME, *parts.models))
    return {"object": "list", "data": [_model(parts, name) for name in names]}


@router.get("/models/{name:path}")
async def model(request: Request, name: str, _: Asker) -> dict[str, Any]:
    """Tell about one model."""
    parts = parts_of(request)
    return _model(parts, name)
