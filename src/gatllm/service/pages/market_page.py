"""What all of the market's pages share: how errors are told, the frame with the wallet, the forms of their bodies."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from gatllm.errors import GatllmError, VerificationError
from gatllm.market import ChainUnavailableError
from gatllm.service.contributions import NotYoursError
from gatllm.service.database import DatabaseError
from gatllm.service.errors import refusal
from gatllm.service.market import chain_json, market_of, session_of
from gatllm.service.pages.rendering import whole_page

_STATUSES: dict[type[GatllmError], int] = {
    VerificationError: 403, NotYoursError: 404, ChainUnavailableError: 503, DatabaseError: 503,
}  # fmt: skip


class MarketRoute(APIRoute):
    """Errors become one clear sentence with a fitting status: JSON for programs, a page for people."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await inner(request)
            except GatllmError as error:
                status = _STATUSES.get(type(error), 400)
                if status == 503 and "text/html" in request.headers.get("accept", ""):
                    with contextlib.suppress(DatabaseError):  # the error page reads its history
                        shown: Response = await request.app.state.message(request, status, "Not now", str(error))
                        return shown
                return refusal(status, str(error))

        return handle


class Strict(BaseModel):
    """A request's body: what it does not name is an error."""

    model_config = ConfigDict(extra="forbid")


class Signed(Strict):
    """A signed challenge."""

    message: str = Field(max_length=4000)
    signature: str = Field(max_length=10_000)


def market_page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page with what all of the market's pages show: navigation, wallet, what went wrong."""
    market = market_of(request)
    shared = {"account": session_of(request, market), "chain": chain_json(market)}
    caller = getattr(request.state, "caller", None)
    return whole_page(request, caller, template, status=status, **{**shared, "problem": "", **values})
