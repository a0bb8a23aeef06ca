"""What people see."""

from fastapi import APIRouter

from gatllm.service.pages import account, chat, contribute, datasets, market, operator, training

router = APIRouter()
for part in (chat, account, operator, training):
    router.include_router(part.router)

market_router = APIRouter()  # where there is a market
for routes in (market.router, contribute.router, datasets.router, datasets.gateway):
    market_router.include_router(routes)

__all__ = ["market_router", "router"]
