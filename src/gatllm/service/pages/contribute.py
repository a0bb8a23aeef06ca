"""The contribute pages: upload, check, describe, seal, mint. Everything here is about one's own contributions."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.responses import Response

from gatllm.errors import GatllmError, UsageError, VerificationError
from gatllm.market import Kind, Origin, id_of
from gatllm.service.access import caller_or_none
from gatllm.service.contributions import UPLOAD_BYTES, UPLOAD_FILES, Contribution, NotYoursError
from gatllm.service.market import Market, market_of, session_of
from gatllm.service.pages.market_page import MarketRoute, market_page
from gatllm.service.pages.rendering import render
from gatllm.service.parts import parts_of

PIECE = 1 << 20  # bytes that the page sends at once
LICENCES = ("", "Apache-2.0", "MIT", "BSD-3-Clause", "PSF-2.0", "CC0-1.0", "CC-BY-4.0", "GPL-3.0-or-later", "Unlicense")

router = APIRouter(
    prefix="/contribute", route_class=MarketRoute, include_in_schema=False, dependencies=[Depends(caller_or_none)]
)


def _owner(request: Request) -> str:
    """Return whose wallet is signed in.

    Raises:
        VerificationError: nobody's is.
    """
    owner = session_of(request, market_of(request))
    if owner is None:
        raise VerificationError("sign in with your wallet first", "connect it on this page")
    return owner


def _account(request: Request, owner: str) -> str:
    return parts_of(request).accounts.wallet(owner)


def _mine(request: Request, name: str) -> tuple[Market, Contribution]:
    """Return one's own contribution; a published one that was minted meanwhile says so from now on."""
    market, owner = market_of(request), _owner(request)
    found = market.contributions.get(name, owner)
    found = market.work.settle(parts_of(request).jobs, _account(request, owner), found)
    if found.state == "published" and market.tokens.find_owner(id_of(owner, found.root)) is not None:
        found = market.contributions.change(found, "published", state="minted")
        if found.sealed:  # what is sealed lies here in plain no longer than it must
            market.contributions.forget_plain(found)
    return market, found


@router.get("")
def index(request: Request, wanted: Annotated[str, Query(alias="request", max_length=64)] = "") -> HTMLResponse:
    """The form, and what one has brought; ``request`` names the data request that it answers."""
    return _index(request, wanted=wanted)


def _index(request: Request, *, status: int = 200, problem: str = "", wanted: str = "") -> HTMLResponse:
    market = market_of(request)
    owner = session_of(request, market)
    mine = market.contributions.of(owner) if owner else []
    return market_page(
        request,
        "contribute.html",
        status=status,
        mine=mine,
        wanted=parts_of(request).data_requests.get(wanted) if wanted else None,
        licences=LICENCES,
        megabytes=UPLOAD_BYTES >> 20,
        most_files=UPLOAD_FILES,
        piece=PIECE,
        problem=problem,
    )


@router.post("", response_model=None)
async def create(request: Request) -> Response:
    """Begin a contribution. With files in the form (a page without script) they are taken and checked at once."""
    try:
        owner = _owner(request)  # before the body is read: nobody fills the disk without a wallet
        async with request.form(max_files=UPLOAD_FILES, max_fields=100) as form:
            words = {name: str(form.get(name, "")).strip() for name in ("contributor", "licence")}
            made = await run_in_threadpool(market_of(request).contributions.create, owner, **words)
            files = [file for file in form.getlist("files") if isinstance(file, UploadFile) and file.filename]
            for file in files:
                await _take(market_of(request), made, file)
        if files:
            await run_in_threadpool(_begin_check, request, made)
    except GatllmError as error:
        if _wants_json(request):
            raise
        return _index(request, status=400, problem=str(error))
    if _wants_json(request):
        return JSONResponse({"id": made.id}, 201)
    return RedirectResponse(f"/contribute/{made.id}", 303)


async def _take(market: Market, made: Contribution, file: UploadFile) -> None:
    name, offset = (file.filename or "").replace("\\", "/"), 0
    while piece := await file.read(PIECE):
        taken = await run_in_threadpool(market.contributions.receive, made, name, offset, piece)
        if taken != offset + len(piece):
            raise UsageError(f"two files are called {name[:80]!r}", "rename one")
        offset = taken


def _wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "")


@router.get("/{name}")
def show(request: Request, name: str) -> HTMLResponse:
    """One contribution, as far as it is."""
    try:
        _, found = _mine(request, name)
    except NotYoursError as error:
        return _index(request, status=404, problem=str(error))
    except VerificationError:
        return _index(request)
    return _show(request, found)


def _show(request: Request, found: Contribution, *, status: int = 200, problem: str = "") -> HTMLResponse:
    market = market_of(request)
    try:
        text = (market.contributions.path(found) / "report.json").read_text(encoding="utf-8")
        report: dict[str, Any] | None = json.loads(text)
    except (OSError, ValueError):
        report = None
    same = (
        [token for token in market.tokens.of_root(found.root) if token.contributor != found.owner] if found.root else []
    )
    return market_page(
        request,
        "contribution.html",
        status=status,
        one=found,
        report=report,
        job=market.work.progress(parts_of(request).jobs, found),
        same=same,
        token=id_of(found.owner, found.root) if found.root else "",
        piece=PIECE,
        problem=problem or found.problem,
    )


@router.get("/{name}/job", response_model=None)
def job(request: Request, name: str) -> Response:
    """How far a job is, for the page that waits; when it is over the page is shown anew."""
    market, found = _mine(request, name)
    if found.state not in ("checking", "publishing"):
        return HTMLResponse("", headers={"HX-Refresh": "true"})
    return HTMLResponse(render("job.html", one=found, job=market.work.progress(parts_of(request).jobs, found)))


@router.get("/{name}/files")
def received(request: Request, name: str, file: str) -> dict[str, int]:
    """How much of a file has arrived: where an upload that was cut off resumes."""
    market, found = _mine(request, name)
    return {"size": market.contributions.received(found, file)}


@router.put("/{name}/files")
async def receive(request: Request, name: str, file: str, offset: int) -> JSONResponse:
    """Take a piece of a file; 409 with the size where it does not begin at the end of what is there."""
    market, found = await run_in_threadpool(_mine, request, name)
    data = await request.body()
    size = await run_in_threadpool(market.contributions.receive, found, file, offset, data)
    return JSONResponse({"size": size}, 200 if size == offset + len(data) else 409)


@router.post("/{name}/check", response_model=None)
def check(request: Request, name: str) -> Response:
    """Nothing more comes: begin to check."""
    _, found = _mine(request, name)
    _begin_check(request, found)
    return RedirectResponse(f"/contribute/{name}", 303)


def _begin_check(request: Request, found: Contribution) -> None:
    market = market_of(request)
    if not any((market.contributions.path(found) / "upload").rglob("*")):
        raise UsageError("nothing was uploaded", "choose files or a folder")
    changed = market.contributions.change(found, "uploading", state="checking", problem="")
    market.work.queue(parts_of(request).jobs, _account(request, found.owner), changed)


@router.post("/{name}/publish", response_model=None)
def publish(
    request: Request,
    name: str,
    title: Annotated[str, Form()] = "",
    description: Annotated[str, Form()] = "",
    kind: Annotated[str, Form()] = "positive",
    access: Annotated[str, Form()] = "sealed",
) -> Response:
    """Seal (or, where the contributor says so, lay open) what was checked, and make its metadata."""
    market, found = _mine(request, name)
    try:
        if not title.strip():
            raise UsageError("the dataset needs a name", "people read it on its card")
        market.tokens.refuse_minted(found.root, found.owner)
        words = {"title": title.strip(), "description": description.strip(), "kind": kind}
        changed = market.contributions.change(
            found, "checked", "published", state="publishing", sealed=access != "open", problem="", **words
        )
    except GatllmError as error:
        return _show(request, found, status=400, problem=str(error))
    market.work.queue(parts_of(request).jobs, _account(request, found.owner), changed)
    return RedirectResponse(f"/contribute/{name}", 303)


@router.post("/{name}/prepare")
def prepare(request: Request, name: str) -> dict[str, Any]:
    """The two transactions that the contributor's wallet sends, and about what they cost."""
    market, found = _mine(request, name)
    if found.state != "published":
        raise GatllmError(f"this contribution is {found.state}", "look at its page")
    origin = Origin(found.root, found.content, found.metadata, Kind(found.minted_kind))
    token = origin.id_for(found.owner)
    return {"token": token, "head": market.tokens.chain.head(), **market.tokens.prepare(origin, found.owner)}


@router.post("/{name}/remove", response_model=None)
def remove(request: Request, name: str) -> Response:
    """Remove what is not minted."""
    market, found = _mine(request, name)
    market.contributions.remove(found)
    return RedirectResponse("/contribute", 303)
