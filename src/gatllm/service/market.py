"""The market on the web: sign in with a wallet, pay, mint, unlock; transactions are signed and paid by the wallet.

The server never sees a key of anybody: it prepares what a wallet sends (receiver, data, value) and reads the chain.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from gatllm.errors import GatllmError, VerificationError
from gatllm.market import (
    ChainUnavailableError,
    DatasetTokens,
    Deployment,
    KeyVault,
    SignIn,
    Store,
    Subscriptions,
    Trade,
    Unlocker,
    known_seaport,
)
from gatllm.market.amounts import parse_ether
from gatllm.service.access import caller_or_none
from gatllm.service.catalogue import Catalogue
from gatllm.service.contribution_jobs import ContributionWork
from gatllm.service.contributions import Contributions, NotYoursError
from gatllm.service.database import DatabaseError
from gatllm.service.pages.rendering import scripts, whole_page
from gatllm.service.parts import parts_of
from gatllm.service.sessions import Sessions

COOKIE = "gatllm-session"
_REMEMBERED = 10_000  # subscribers
# Where transactions and tokens can be looked at: name, block explorer, OpenSea's name of the chain.
EXPLORERS = {
    1: ("Ethereum", "https://etherscan.io", "ethereum"),
    10: ("OP Mainnet", "https://optimistic.etherscan.io", "optimism"),
    137: ("Polygon", "https://polygonscan.com", "polygon"),
    8453: ("Base", "https://basescan.org", "base"),
    42161: ("Arbitrum One", "https://arbiscan.io", "arbitrum"),
    11155111: ("Sepolia", "https://sepolia.etherscan.io", ""),
}
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

    @cached_property
    def catalogue(self) -> Catalogue:
        """What is on offer, and what was."""
        return Catalogue(self.tokens, self.store, self.contributions, self.state_dir)

    @property
    def trade(self) -> Trade:
        """Where datasets are bought and sold.

        Raises:
            GatllmError: this chain has no Seaport.
        """
        seaport = known_seaport(self.tokens.chain, self.deployment)
        if seaport is None:
            raise GatllmError("there is no Seaport on this chain", "give the token away, or trade elsewhere")
        return Trade(self.tokens, seaport)

    @cached_property
    def work(self) -> ContributionWork:
        """The work behind them."""
        return ContributionWork(self.contributions, self.store, self.vault)

    def facts(self) -> list[tuple[str, str]]:
        """Return what an operator wants to know: the chain, how far behind it is, the price, the store."""
        chain = self.tokens.chain
        head, behind = chain.head(), self.chain_lag()
        return [
            ("Chain", f"{chain.chain_id}, block {head:,}, {behind:.0f} s old"),
            ("Price of a month", f"{Decimal(self.subscriptions.price()) / 10**18:f} ETH"),
            ("Owner of the contracts", self.subscriptions.owner()),
            ("Store", type(self.store).__name__),
            ("Room for uploads", f"{shutil.disk_usage(self.state_dir).free >> 30} GiB"),
        ]

    def chain_lag(self) -> float:
        """Return how old the chain's newest block is, in seconds; a local chain makes blocks for transactions only."""
        return max(0.0, time.time() - self.tokens.chain.timestamp())

    def subscription(self, address: str) -> dict[str, Any]:
        """Return price, end and receipts of a wallet's subscription."""
        _, explorer, _ = EXPLORERS.get(self.tokens.chain.chain_id, ("", "", ""))
        payments = self.subscriptions.payments(address)
        return {
            "price": self.subscriptions.price(),
            "until": self.paid_until(address),
            "payments": [
                {"months": one.months, "paid": one.paid, "until": one.until, "payer": one.payer, "block": one.block,
                 "transaction": one.transaction,
                 "link": f"{explorer}/tx/{one.transaction}" if explorer else ""}
                for one in reversed(payments)
            ],
        }  # fmt: skip

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
            if len(self._paid) >= _REMEMBERED:  # drop what has expired, else the oldest
                self._paid = {who: paid for who, paid in self._paid.items() if paid > now}
                self._paid.pop(next(iter(self._paid), ""), None)
            self._paid[address] = until
        return until


def session_of(request: Request, market: Market) -> str | None:
    """Return the address that is signed in, by token or cookie."""
    given = request.headers.get("authorization", "")
    token = given[7:] if given.lower().startswith("bearer ") else request.cookies.get(COOKIE, "")
    return market.sessions.address(token)


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


def site_of(request: Request) -> str:
    """Return the address of the page that asks, as the browser has it: what a wallet signs must name it.

    The host is one that this service is reached by (`guard.Guard`), so that no other site's challenge is made here.
    """
    return f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}"


def refusal(status: int, message: str, **more: Any) -> JSONResponse:
    """Return an error in the shape of the service's API."""
    kinds = {401: "authentication_error", 402: "payment_required", 403: "permission_error"}
    kind = kinds.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return JSONResponse({"error": {"message": message, "type": kind, **more}}, status)


class Strict(BaseModel):
    """A request's body: what it does not name is an error."""

    model_config = ConfigDict(extra="forbid")


class Who(Strict):
    """Whose wallet asks."""

    address: str


class Signed(Strict):
    """A signed challenge."""

    message: str = Field(max_length=4000)
    signature: str = Field(max_length=10_000)


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


router = APIRouter(prefix="/market", route_class=MarketRoute, dependencies=[Depends(caller_or_none)])


def market_of(request: Request) -> Market:
    """Return what the market's pages work on."""
    market: Market = request.app.state.market
    return market


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


def market_page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page with what all of the market's pages show: navigation, wallet, what went wrong."""
    market = market_of(request)
    shared = {"wallet_scripts": scripts("wallet"), "account": session_of(request, market), "chain": chain_json(market)}
    caller = getattr(request.state, "caller", None)
    return whole_page(request, caller, template, status=status, **{**shared, "problem": "", **values})


def chain_json(market: Market) -> dict[str, Any]:
    """Return what a wallet must know of the chain; a local chain's address too, so that it can be added."""
    chain = market.tokens.chain
    known = EXPLORERS.get(chain.chain_id, ("", "", ""))
    name = "local chain" if chain.local else known[0] or f"chain {chain.chain_id}"
    return {"id": chain.chain_id, "name": name, "rpc": chain.rpc_url if chain.local else "", "explorer": known[1]}
