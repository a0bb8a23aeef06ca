"""The training page: runs, their curves, and their proofs, verified in one click with a line for each check."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from gatllm.errors import GatllmError
from gatllm.proof import Verification
from gatllm.service.access import Person, Reader
from gatllm.service.accounts import Caller
from gatllm.service.errors import ApiError
from gatllm.service.pages.rendering import page
from gatllm.service.parts import parts_of

router = APIRouter(prefix="/training", include_in_schema=False)


@router.get("")
async def index(request: Request, caller: Reader) -> HTMLResponse:
    """List the runs."""
    runs = await asyncio.to_thread(parts_of(request).training_runs.all)
    return await page(request, caller, "training.html", runs=runs)


@router.get("/{name}")
async def show(request: Request, name: str, caller: Reader) -> HTMLResponse:
    """Show one run."""
    return await _show(request, name, caller)


async def _show(
    request: Request, name: str, caller: Caller | None, *, verification: Verification | None = None, problem: str = ""
) -> HTMLResponse:
    runs = parts_of(request).training_runs
    run = await asyncio.to_thread(runs.get, name)
    if run is None:
        raise ApiError(404, "there is no such run (any more)")
    found = verification or await asyncio.to_thread(runs.verified, name)
    return await page(
        request, caller, "run.html", status=400 if problem else 200, run=run, verification=found, problem=problem
    )


@router.get("/{name}/curves.png", response_model=None)
async def curves(request: Request, name: str, _: Reader) -> Response:
    """The losses by update."""
    drawn = await asyncio.to_thread(parts_of(request).training_runs.curves, name)
    if drawn is None:
        raise ApiError(404, "this run has no curves (yet)")
    return Response(drawn, media_type="image/png", headers={"cache-control": "no-cache"})


@router.post("/{name}/verify", response_model=None)
async def verify(request: Request, name: str, caller: Person) -> HTMLResponse:
    """Check a run against its proof, now."""
    try:
        found = await asyncio.to_thread(parts_of(request).training_runs.verify, name)
    except GatllmError as error:
        return await _show(request, name, caller, problem=str(error))
    return await _show(request, name, caller, verification=found)
