"""Puts the service together."""

from __future__ import annotations

import re
import time
from collections.abc import Collection
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from gatllm import __version__
from gatllm.answering import Assistant
from gatllm.service import errors, health, metrics, openai_api, pages
from gatllm.service.conversations import Conversations
from gatllm.service.guard import Guard
from gatllm.service.health import Prober
from gatllm.service.market import Market, Paywall
from gatllm.service.market import router as market_router
from gatllm.service.protocol import Patience
from gatllm.service.slots import Slots

LARGEST_BODY = 2 << 20
_VERSIONED = re.compile(r"vendor/.+-\d+(\.\d+)+\.js")


class _Static(StaticFiles):
    """Files of the page: those whose names hold a version are kept by browsers, the others are asked after."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file, and say for how long it holds."""
        answer = await super().get_response(path, scope)
        if answer.status_code in (200, 304):
            kept = "public, max-age=31536000, immutable" if _VERSIONED.fullmatch(path) else "no-cache"
            answer.headers["cache-control"] = kept
        return answer


def create_app(
    assistant: Assistant,
    *,
    slots: int = 1,
    queue: int = 8,
    hosts: Collection[str] | None = None,
    market: Market | None = None,
    paid: bool = False,
) -> FastAPI:
    """Return the web application: chat page, OpenAI-compatible API, health.

    Args:
        assistant: who answers.
        slots: how many answers are generated at once.
        queue: how many more requests may wait; beyond, they get 429.
        hosts: the names by which the service is reached; None: only this machine's own, empty: any.
        market: what the market's pages work on; None: there are none.
        paid: answer only those who have a subscription.
    """
    app = FastAPI(title="gatllm", version=__version__, docs_url=None, redoc_url=None)
    app.state.assistant = assistant
    app.state.slots = Slots(slots, queue)
    app.state.conversations = Conversations()
    app.state.stopped = set()
    app.state.started = int(time.time())
    app.state.prober = Prober(app.state.slots, assistant.generator)
    errors.install(app)
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=LARGEST_BODY)
    if market is not None:
        app.state.market = market
        app.include_router(market_router)
        if paid:
            app.add_middleware(Paywall, market=market, paths=("/v1/chat/completions", "/chat"))
    app.add_middleware(Patience)
    app.add_middleware(Guard, hosts=hosts)
    for router in (openai_api.router, health.router, metrics.router, pages.router):
        app.include_router(router)
    app.mount("/static", _Static(directory=Path(__file__).parent / "static"), name="static")
    return app
