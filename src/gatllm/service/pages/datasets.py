"""The datasets pages: browse, buy with the wallet, unlock and download as the owner, sell, give away, claim rewards."""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse, HTMLResponse
from pydantic import Field
from starlette.background import BackgroundTask
from starlette.responses import Response

from gatllm.errors import GatllmError, UsageError, VerificationError
from gatllm.market import Cid, LocalStore, Rewards, retrieve
from gatllm.market.amounts import parse_ether
from gatllm.market.store.metadata import picture
from gatllm.records import write_file
from gatllm.service.access import caller_or_none
from gatllm.service.catalogue import Item
from gatllm.service.market import EXPLORERS, Market, market_of, session_of
from gatllm.service.pages.market_page import MarketRoute, Signed, Strict, market_page
from gatllm.service.parts import parts_of

_PAGE = 24
_TICKET_SECONDS = 120
_AT_ONCE = threading.BoundedSemaphore(2)  # datasets that are opened at the same time
_SVG = "default-src 'none'; style-src 'unsafe-inline'"

router = APIRouter(
    prefix="/datasets", route_class=MarketRoute, include_in_schema=False, dependencies=[Depends(caller_or_none)]
)
gateway = APIRouter(
    prefix="/ipfs", route_class=MarketRoute, include_in_schema=False, dependencies=[Depends(caller_or_none)]
)


class Terms(Strict):
    """What an owner asks for a token: ether, and days that the offer stands."""

    price: str = Field(max_length=40)
    days: float = Field(30, gt=0, le=366)


class SignedOffer(Strict):
    """An offer as the wallet signed it."""

    parameters: dict[str, Any]
    signature: str = Field(max_length=1_000)


class Receiver(Strict):
    """Who gets a token."""

    to: str = Field(max_length=42)


class Epoch(Strict):
    """Which epoch's reward is claimed."""

    epoch: int = Field(ge=0)


def _signed_in(request: Request) -> str:
    account = session_of(request, market_of(request))
    if account is None:
        raise VerificationError("sign in with your wallet first", "connect it on this page")
    return account


def _owned(request: Request, token: str) -> tuple[Market, Item, str]:
    """Return what the signed-in wallet owns.

    Raises:
        VerificationError: it does not own it.
    """
    market, account = market_of(request), _signed_in(request)
    item = market.catalogue.get(token)
    if item.token.owner != account:
        raise VerificationError(f"{account} does not own this dataset", "buy it first")
    return market, item, account


@router.get("")
def index(request: Request, q: str = "", kind: str = "", offered: str = "", page: int = 1) -> HTMLResponse:
    """Browse and search."""
    market = market_of(request)
    found = market.catalogue.search(q[:200], kind=kind, offered=bool(offered))
    first = max(0, page - 1) * _PAGE
    return market_page(
        request,
        "datasets.html",
        items=found[first : first + _PAGE],
        count=len(found),
        q=q[:200],
        kind=kind,
        offered=bool(offered),
        page=max(1, page),
        pages=-(-len(found) // _PAGE),
    )


@router.get("/{token}")
def show(request: Request, token: str) -> HTMLResponse:
    """One dataset."""
    try:
        return _show(request, token)
    except GatllmError as error:
        return market_page(request, "missing.html", status=404, problem=str(error))


def _show(request: Request, token: str) -> HTMLResponse:
    market, account = market_of(request), session_of(request, market_of(request))
    item = market.catalogue.get(token)
    rewards = Rewards(market.tokens.chain, market.deployment)
    mine = account == item.token.owner
    earned = [
        {"epoch": epoch, "amount": amount, "claimed": mine and rewards.is_claimed(epoch, item.token.id)}
        for epoch, amount in item.rewards
    ]
    same = [one for one in market.tokens.of_root(item.token.root) if one.id != item.token.id]
    _, explorer, opensea = EXPLORERS.get(market.tokens.chain.chain_id, ("", "", ""))
    number = int(item.token.id, 16)
    address = market.tokens.address
    return market_page(
        request,
        "dataset.html",
        item=item,
        mine=mine,
        fed=parts_of(request).attribution.of(item.token.root),
        earned=earned,
        same=same,
        royalty=market.tokens.royalty(item.token.id, 10_000)[1] / 100,
        vault=market.vault.find(item.token.id) is not None,
        explorer=f"{explorer}/nft/{address}/{number}" if explorer else "",
        opensea=f"https://opensea.io/assets/{opensea}/{address}/{number}" if opensea else "",
    )


@router.get("/{token}/picture.svg")
def drawn(request: Request, token: str) -> Response:
    """The picture of a dataset's root."""
    root = market_of(request).catalogue.get(token).token.root
    headers = {"content-security-policy": _SVG, "cache-control": "public, max-age=86400"}
    return Response(picture(root), media_type="image/svg+xml", headers=headers)


@router.post("/{token}/offer/prepare")
def prepare_offer(request: Request, token: str, terms: Terms) -> dict[str, Any]:
    """What the owner's wallet sends and signs to offer a token."""
    market, item, account = _owned(request, token)
    return market.trade.prepare_offer(item.token.id, parse_ether(terms.price, least=1), account, days=terms.days)


@router.post("/{token}/offer", status_code=201)
def offer(request: Request, token: str, signed: SignedOffer) -> dict[str, str]:
    """Show an offer; its signature says whose it is."""
    market = market_of(request)
    made = market.trade.accept(signed.parameters, signed.signature)
    if made.token != market.catalogue.get(token).token.id:
        raise UsageError("this offer is for another dataset", "offer the one that the page is about")
    market.catalogue.put_offer(made)
    return {"token": made.token, "price_wei": str(made.price)}


@router.post("/{token}/offer/cancel")
def cancel(request: Request, token: str) -> dict[str, str]:
    """The transaction that takes an offer back; it is not shown from now on."""
    market, item, _ = _owned(request, token)
    standing = market.catalogue.offer(item.token)
    if standing is None:
        raise GatllmError("this dataset is not on offer", "nothing is left to do")
    market.catalogue.forget_offer(item.token.id)
    return market.trade.prepare_cancel(standing)


@router.post("/{token}/buy")
def buy(request: Request, token: str) -> dict[str, str]:
    """The transaction with which a wallet buys."""
    market, account = market_of(request), _signed_in(request)
    item = market.catalogue.get(token)
    standing = market.catalogue.offer(item.token)
    if standing is None:
        raise GatllmError("this dataset is not on offer (any more)", "ask its owner")
    return market.trade.prepare_buy(standing, account)


@router.post("/{token}/transfer")
def transfer(request: Request, token: str, receiver: Receiver) -> dict[str, str]:
    """The transaction that gives a token away."""
    market, item, account = _owned(request, token)
    return market.tokens.prepare_transfer(item.token.id, account, receiver.to)


@router.post("/{token}/claim")
def claim(request: Request, token: str, which: Epoch) -> dict[str, str]:
    """The transaction that takes a dataset's reward."""
    market, item, account = _owned(request, token)
    statement = market.catalogue.statement(which.epoch)
    return Rewards(market.tokens.chain, market.deployment).prepare_claim(statement, item.token.id, account)


@router.post("/{token}/ticket", status_code=201)
def ticket(request: Request, token: str, signed: Signed) -> dict[str, str]:
    """For who signed and owns the token: a ticket that one download takes, within two minutes."""
    market = market_of(request)
    release = market.unlocker.release(token, signed.message, signed.signature)
    folder = market.state_dir / "tickets"
    _sweep(folder)
    name = secrets.token_urlsafe(24)
    write_file(folder / name, json.dumps({"token": release.token, "until": time.time() + _TICKET_SECONDS}))
    return {"ticket": name}


@router.get("/{token}/download")
def download(request: Request, token: str, ticket: str = "") -> FileResponse:
    """The dataset as a zip file: what is open for everybody, what is sealed for a ticket."""
    market = market_of(request)
    item = market.catalogue.get(token)
    if item.document is None:
        raise GatllmError("this dataset's metadata can't be had", "try again later")
    key = None
    if item.sealed:
        _use_up(market.state_dir / "tickets", ticket, item.token.id)
        key = market.vault.get(item.token.id)
    if not _AT_ONCE.acquire(timeout=30):
        raise GatllmError("too many datasets are being opened", "try again in a minute")
    try:
        scratch = Path(tempfile.mkdtemp(prefix="gatllm-download-"))
        try:
            retrieve(item.document, market.store, scratch / "dataset", root=item.token.root, key=key)
            made = shutil.make_archive(str(scratch / "dataset"), "zip", scratch, "dataset")
            shutil.rmtree(scratch / "dataset")
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
    finally:
        _AT_ONCE.release()
    name = f"dataset-{item.token.id[:16]}.zip"
    return FileResponse(made, filename=name, background=BackgroundTask(shutil.rmtree, scratch, ignore_errors=True))


@gateway.get("/{cid}")
def content(request: Request, cid: str) -> FileResponse:
    """What the store holds, as a CAR file whose blocks the reader checks: `--store gateway:URL`."""
    store = market_of(request).store
    wanted = Cid.parse(cid)
    if not isinstance(store, LocalStore) or not store.car(wanted).is_file():
        raise GatllmError(f"{wanted} does not lie here", "ask another gateway")
    headers = {"cache-control": "public, max-age=31536000, immutable"}
    return FileResponse(store.car(wanted), media_type="application/vnd.ipld.car", headers=headers)


def _use_up(folder: Path, name: str, token: str) -> None:
    place = folder / Path(name or "-").name
    try:
        given = json.loads(place.read_text(encoding="utf-8"))
        place.unlink()  # of two downloads at once, one gets it
    except (OSError, ValueError):
        raise VerificationError("this download is not open (any more)", "unlock the dataset again") from None
    if given["token"] != token or given["until"] < time.time():
        raise VerificationError("this download is not open (any more)", "unlock the dataset again")


def _sweep(folder: Path) -> None:
    for place in folder.glob("*") if folder.is_dir() else ():
        try:
            if time.time() - place.stat().st_mtime > _TICKET_SECONDS:
                place.unlink()
        except FileNotFoundError:
            continue
