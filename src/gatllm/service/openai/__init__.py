"""``/v1``: the API that OpenAI's clients, agents and editors speak."""

from fastapi import APIRouter

from gatllm.service.openai import chat, completions, embeddings, models, responses, review

router = APIRouter()
for part in (chat, completions, embeddings, models, responses, review):
    router.include_router(part.router)

__all__ = ["router"]
