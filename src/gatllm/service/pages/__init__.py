"""What people see."""

from fastapi import APIRouter

from gatllm.service.pages import account, chat, operator, training

router = APIRouter()
for part in (chat, account, operator, training):
    router.include_router(part.router)

__all__ = ["router"]
