"""What people see."""

from fastapi import APIRouter

from gatllm.service.pages import account, chat, operator

router = APIRouter()
for part in (chat, account, operator):
    router.include_router(part.router)

__all__ = ["router"]
