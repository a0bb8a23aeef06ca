"""The market on the web: sign in with a wallet, pay, mint, unlock; transactions are signed and paid by the wallet.

The server never sees a key of anybody: it prepares what a wallet sends (receiver, data, value) and reads the chain.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.routing import APIRoute
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gatllm.data import Dataset
from gatllm.errors import GatllmError, VerificationError
from gatllm.market import (
    About,
    DatasetTokens,
    Deployment,
    KeyVault,
    SignIn,
    Store,
    Subscriptions,
    Unlocker,
    publish_for,
)
from gatllm.service.access import Reader
from gatllm.service.contributions import Contributions, NotYoursError
from gatllm.service.pages.rendering import page as whole_page
from gatllm.service.sessions import Sessions

COOKIE = "gatllm-session"
_REMEMBERED = 10_000  # subscribers
_STATEMENT = "Sign in to gatllm. This costs nothing and moves nothing."


@dataclass
class Market:
    """What the market's pages work on; contributions and the log of releases lie in ``state_dir``."""

    tokens: DatasetTokens
    subscriptions: Subscriptions
    deployment: Deployment
    vault: KeyVault
    signin: SignIn
    store: Store
    state_dir: Path
    sessions: Sessions = field(init=False)  # the app's own
    _paid: dict[str, int] = field(default_factory=dict)

    @property
    def unlocker(self) -> Unlocker:
        """Who releases content keys."""
        return Unlocker(self.tokens, self.vault, self.signin, self.state_dir / "releases.jsonl")

    @cached_property
    def contributions(self) -> Contributions:
        """What people brought, each bound to the wallet that did."""
        return Contributions(self.state_dir / "contributions")

    def paid_until(self, address: str) -> int:
        """Return until when an address has paid; asked of the chain only while what is known has run out.

        Time that was paid is never taken back by the contract, so what is known stays true. Only what somebody paid
        for is remembered: anyone can ask about any address.
        """
        now = time.time()
        if self._paid.get(address, 0) > now:
            return self._paid[address]
        until = self.subscriptions.paid_until(address, at=self.tokens.chain.confirmed_block())
        if until > now:
            if len(self._paid) >= _REMEMBERED:  # others may have run out meanwhile; else the longest known is forgotten
                self._paid = {who: paid for who, paid in self._paid.items() if paid > now}
                self._paid.pop(next(iter(self._paid), ""), None)
            self._paid[address] = until
        return until


def _session(request: Request, market: Market) -> str | None:
    """Return the address that is signed in, by token or cookie."""
    given = request.headers.get("authorization", "")
    token = given[7:] if given.lower().startswith("bearer ") else request.cookies.get(COOKIE, "")
    return market.sessions.address(token)


class _Route(APIRoute):
    """Errors that a user can cause become one clear sentence with a fitting status."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await inner(request)
            except GatllmError as error:
                known = {VerificationError: 403, NotYoursError: 404}
                return refusal(known.get(type(error), 400), str(error))

        return handle


def refusal(status: int, message: str, **more: Any) -> JSONResponse:
    """Return an error in the shape of the service's API."""
    kinds = {401: "authentication_error", 402: "payment_required", 403: "permission_error"}
    kind = kinds.get(status, "invalid_request_error")
    return JSONResponse({"error": {"message": message, "type": kind, **more}}, status)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Who(_Strict):
    """Whose wallet asks."""

    address: str


class Signed(_Strict):
    """A signed challenge."""

    message: str = Field(max_length=4000)
    signature: str = Field(max_length=10_000)


class WhoseToken(_Strict):
    """Whose wallet asks about which token."""

    token: str
    address: str


class Unlock(Signed):
    """A signed challenge for one token."""

    token: str


class Mint(_Strict):
    """Which contribution is minted, by whose wallet."""

    contribution: str
    address: str


class Subscribe(_Strict):
    """Who pays for how long."""

    address: str
    months: int = Field(1, ge=1, le=12)


router = APIRouter(prefix="/market", route_class=_Route)


def _market(request: Request) -> Market:
    market: Market = request.app.state.market
    return market


@router.get("/status")
def status(request: Request, address: str | None = None) -> dict[str, Any]:
    """What a page shows first: the chain, the price, and what an address has paid."""
    market = _market(request)
    chain = market.tokens.chain
    value = {
        "chain_id": chain.chain_id,
        "token_contract": market.tokens.address,
        "price_wei": str(market.subscriptions.price()),
        "contributions": [
            {"id": one.id, "title": one.title, "state": one.state}
            for one in market.contributions.of(_session(request, market) or "")
            if one.state in ("checked", "published")
        ],
    }
    if address is not None:
        value["paid_until"] = market.paid_until(str(chain.checksum(address)))
    return value


@router.post("/session/challenge")
def challenge(request: Request, who: Who) -> dict[str, str]:
    """The text that a wallet signs to sign in."""
    return {"message": _market(request).signin.challenge(who.address, _STATEMENT)}


@router.post("/session")
def sign_in(request: Request, signed: Signed) -> JSONResponse:
    """A session for whoever signed the challenge, as a token and as a cookie."""
    market = _market(request)
    who = market.signin.check(signed.message, signed.signature)
    if who.statement != _STATEMENT:
        raise VerificationError("this was signed for another purpose", "sign in anew")
    token = market.sessions.open(who.address)
    answer = JSONResponse({"address": who.address, "token": token, "paid_until": market.paid_until(who.address)})
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, token, max_age=24 * 3600, httponly=True, samesite="strict", secure=secure)
    return answer


@router.post("/unlock/challenge")
def unlock_challenge(request: Request, which: WhoseToken) -> dict[str, str]:
    """The text that an owner signs to get a dataset's key."""
    return {"message": _market(request).unlocker.challenge(which.token, which.address)}


@router.post("/unlock")
def unlock(request: Request, signed: Unlock) -> dict[str, str]:
    """The key of a dataset, for its current owner."""
    release = _market(request).unlocker.release(signed.token, signed.message, signed.signature)
    return {"token": release.token, "key": release.key.hex()}


@router.get("/deployment")
def deployment(request: Request) -> dict[str, Any]:
    """The address book: where the contracts lie, for `gatllm market --deployment`."""
    return asdict(_market(request).deployment)


@router.post("/mint/prepare")
def prepare_mint(request: Request, mint: Mint) -> dict[str, Any]:
    """Put a contribution into the store; return the two transactions that its contributor's wallet sends.

    Everything is asked before anything is written: whose it is, how far it is, and whether it is minted.
    """
    market = _market(request)
    owner = _session(request, market)
    if owner is None or owner.lower() != mint.address.lower():
        raise VerificationError("sign in with the wallet that mints", "connect it first, at /market")
    found = market.contributions.get(mint.contribution, owner)
    if found.state not in ("checked", "published"):
        raise GatllmError(f"this contribution is {found.state}", "wait until it is checked, or begin anew")
    dataset = Dataset.open(market.contributions.path(found) / "dataset")
    root = dataset.manifest.merkle_root
    market.tokens.refuse_minted(root, owner)
    about = About(found.title, found.description)
    published = publish_for(owner, dataset, market.store, market.vault, sealed=found.sealed, about=about)
    origin = published.origin
    market.contributions.change(
        found, "checked", "published", state="published", root=root, content=origin.content, metadata=origin.metadata
    )
    prepared = market.tokens.prepare(origin, owner)
    return {"token": origin.id_for(owner), "root": root, "content": published.content.uri, **prepared}


@router.post("/subscribe/prepare")
def prepare_subscription(request: Request, wish: Subscribe) -> dict[str, Any]:
    """The transaction that a wallet sends to pay for the chat."""
    market = _market(request)
    return {"chain_id": market.tokens.chain.chain_id, **market.subscriptions.prepare(wish.address, wish.months)}


@router.get("", include_in_schema=False)
async def page(request: Request, caller: Reader) -> HTMLResponse:
    """The page on which contributors mint and readers pay."""
    script = files("gatllm.service").joinpath("static/market.js").read_text(encoding="utf-8")
    return await whole_page(request, caller, "market.html", script=Markup(script))  # noqa: S704  # our own file


class Paywall:
    """ASGI middleware: questions are answered for those who have paid, and refused with a clear reason otherwise."""

    def __init__(self, app: ASGIApp, market: Market, paths: tuple[str, ...]) -> None:
        self._app = app
        self._market = market
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in self._paths:
            from starlette.concurrency import run_in_threadpool

            refused = await run_in_threadpool(self._refuse, Request(scope))
            if refused is not None:
                await refused(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refuse(self, request: Request) -> Response | None:
        address = _session(request, self._market)
        if address is None:
            return _lead(request) or refusal(401, "sign in with a wallet first, at /market", code="not_signed_in")
        try:
            if self._market.paid_until(address) > time.time():
                return None
            price = self._market.subscriptions.price()
        except GatllmError as error:
            return refusal(503, str(error), code="chain_unreachable")
        message = f"{address} has no subscription; it costs {price / 10**18:g} ETH a month, pay at /market"
        return _lead(request) or refusal(402, message, code="no_subscription", price_wei=str(price))


def _lead(request: Request) -> Response | None:
    """Return what leads a person with a page to where they can pay; None for programs."""
    if "hx-request" in request.headers:
        return Response(status_code=204, headers={"HX-Redirect": "/market"})
    return RedirectResponse("/market", 303) if "text/html" in request.headers.get("accept", "") else None
