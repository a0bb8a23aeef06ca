"""The wallet page, and what its script asks for: sign in, subscribe, change the price, get a dataset's key."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import Field
from starlette.responses import Response

from gatllm.errors import VerificationError
from gatllm.market.amounts import parse_ether
from gatllm.service.access import COOKIE, caller_or_none
from gatllm.service.market import chain_json, market_of, session_of
from gatllm.service.pages.market_page import MarketRoute, Signed, Strict, market_page
from gatllm.service.parts import parts_of

_STATEMENT = "Sign in to gatllm. This costs nothing and moves nothing."

router = APIRouter(prefix="/market", route_class=MarketRoute, dependencies=[Depends(caller_or_none)])


class Who(Strict):
    """Whose wallet asks."""

    address: str


class NewPrice(Strict):
    """What a month is to cost, in ether."""

    price: str = Field(max_length=40)


class WhoseToken(Strict):
    """Whose wallet asks about which token."""

    token: str
    address: str


class Unlock(Signed):
    """A signed challenge for one token."""

    token: str


class Subscribe(Strict):
    """Who pays for how long."""

    address: str
    months: int = Field(1, ge=1, le=12)


def site_of(request: Request) -> str:
    """Return the address of the page that asks, as the browser has it: what a wallet signs must name it.

    The host is one that this service is reached by (`guard.Guard`), so that no other site's challenge is made here.
    """
    return f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}"


@router.get("/status")
def status(request: Request, address: str | None = None) -> dict[str, Any]:
    """What a page shows first: the chain, the price, and what an address has paid."""
    market = market_of(request)
    chain = market.tokens.chain
    value: dict[str, Any] = {
        "chain": chain_json(market),
        "token_contract": market.tokens.address,
        "price_wei": str(market.subscriptions.price()),
    }
    value["account"] = session_of(request, market)
    if address is not None:
        value["paid_until"] = market.paid_until(str(chain.checksum(address)))
    return value


@router.post("/session/challenge")
def challenge(request: Request, who: Who) -> dict[str, str]:
    """The text that a wallet signs to sign in."""
    return {"message": market_of(request).signin.challenge(who.address, _STATEMENT, site=site_of(request))}


@router.post("/session")
def sign_in(request: Request, signed: Signed) -> JSONResponse:
    """A session for whoever signed the challenge, as a token and as a cookie."""
    market = market_of(request)
    who = market.signin.check(signed.message, signed.signature)
    if who.statement != _STATEMENT:
        raise VerificationError("this was signed for another purpose", "sign in anew")
    token = market.sessions.open(who.address)
    answer = JSONResponse({"address": who.address, "token": token, "paid_until": market.paid_until(who.address)})
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, token, max_age=24 * 3600, httponly=True, samesite="strict", secure=secure)
    return answer


@router.delete("/session", status_code=204)
def sign_out(request: Request) -> Response:
    """End the session of whoever asks."""
    caller = getattr(request.state, "caller", None)
    if caller is not None and caller.session_id:
        parts_of(request).accounts.revoke_session(caller.account_id, caller.session_id)
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


@router.post("/unlock/challenge")
def unlock_challenge(request: Request, which: WhoseToken) -> dict[str, str]:
    """The text that an owner signs to get a dataset's key."""
    return {"message": market_of(request).unlocker.challenge(which.token, which.address, site=site_of(request))}


@router.post("/unlock")
def unlock(request: Request, signed: Unlock) -> dict[str, str]:
    """The key of a dataset, for its current owner."""
    release = market_of(request).unlocker.release(signed.token, signed.message, signed.signature)
    return {"token": release.token, "key": release.key.hex()}


@router.get("/deployment")
def deployment(request: Request) -> dict[str, Any]:
    """The address book: where the contracts lie, for `gatllm market --deployment`."""
    return asdict(market_of(request).deployment)


@router.post("/subscribe/prepare")
def prepare_subscription(request: Request, wanted: Subscribe) -> dict[str, Any]:
    """The transaction that a wallet sends to pay for the chat."""
    market = market_of(request)
    return {"chain_id": market.tokens.chain.chain_id, **market.subscriptions.prepare(wanted.address, wanted.months)}


@router.post("/price/prepare")
def prepare_price(request: Request, wanted: NewPrice) -> dict[str, Any]:
    """The transaction with which the contracts' owner changes the price; what is paid stays paid."""
    market = market_of(request)
    account, owner = session_of(request, market), market.subscriptions.owner()
    if account != owner:
        raise VerificationError("only the owner of the contracts changes the price", f"sign in as {owner}")
    price = parse_ether(wanted.price, least=1)
    return {"chain_id": market.tokens.chain.chain_id, **market.subscriptions.prepare_price(owner, price)}


@router.get("", include_in_schema=False)
def page(request: Request) -> HTMLResponse:
    """The page on which readers pay."""
    market = market_of(request)
    account = session_of(request, market)
    until = market.paid_until(account) if account else 0
    paid = f"paid until {datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M} UTC" if until > time.time() else "not paid"
    price = f"{Decimal(market.subscriptions.price()) / 10**18:f}"
    owns = account is not None and account == market.subscriptions.owner()
    owned = market.catalogue.owned(account)
    return market_page(request, "market.html", price=price, paid=paid, owned=owned, owns=owns)
