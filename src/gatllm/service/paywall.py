"""Who has paid, or has free questions left, is answered; everybody else is told why not."""

from __future__ import annotations

import time
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from gatllm.errors import GatllmError
from gatllm.service.database import DatabaseError
from gatllm.service.errors import refusal
from gatllm.service.market import Market, session_of
from gatllm.service.parts import parts_of

Refusal = tuple[int, str, dict[str, Any]]  # status, words, more


class Paywall:
    """ASGI middleware: questions are answered for those who have paid or have free ones left, and refused with a clear
    reason otherwise.

    A program gets the refusal. The chat page gets it as ``request.state.refused``, to show it beside what was typed.
    """

    def __init__(self, app: ASGIApp, market: Market, paths: tuple[str, ...], free: int = 0) -> None:
        self._app = app
        self._market = market
        self._paths = paths
        self._free = free

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in self._paths:
            refused = await run_in_threadpool(self._refuse, Request(scope))
            if refused is not None and scope["path"] == "/chat":
                scope.setdefault("state", {})["refused"] = refused
            elif refused is not None:
                status, message, more = refused
                await refusal(status, message, **more)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refuse(self, request: Request) -> Refusal | None:
        try:
            address = session_of(request, self._market)
            if address is None:
                return 401, "sign in with a wallet first, at /market", {"code": "not_signed_in"}
            if self._free_left(request, address) > 0 or self._market.paid_until(address) > time.time():
                return None
            price = self._market.subscriptions.price()
        except DatabaseError as error:
            return 503, str(error), {"code": "database_unavailable"}
        except GatllmError as error:
            return 503, str(error), {"code": "chain_unreachable"}
        used = f"the {self._free} free questions of this month are used up, and " if self._free else ""
        message = f"{used}{address} has no subscription; it costs {price / 10**18:g} ETH a month, pay at /market"
        return 402, message, {"code": "no_subscription", "price_wei": str(price)}

    def _free_left(self, request: Request, address: str) -> int:
        if not self._free:
            return 0
        parts = parts_of(request)
        return self._free - parts.usage.requests_this_month(parts.accounts.wallet(address))
