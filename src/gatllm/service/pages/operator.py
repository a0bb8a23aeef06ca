"""Requests for data, which everyone sees, and what only the operator does."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, get_args

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gatllm import __version__
from gatllm.answering.threshold import Difficulty
from gatllm.errors import GatllmError
from gatllm.service.access import Operator, Reader
from gatllm.service.accounts import ROLES
from gatllm.service.pages.rendering import page
from gatllm.service.parts import Parts, parts_of

router = APIRouter(include_in_schema=False)


@router.get("/requests")
async def requests(request: Request, caller: Reader) -> HTMLResponse:
    """Show what people asked and the data hardly covers."""
    parts = parts_of(request)
    listed = await asyncio.to_thread(parts.data_requests.top)
    return await page(request, caller, "requests.html", requests=listed, market=parts.market is not None)


@router.post("/requests/remove", response_model=None)
async def remove(request: Request, _: Operator, digest: Annotated[str, Form()] = "") -> RedirectResponse:
    """Take a request off the list."""
    await asyncio.to_thread(parts_of(request).data_requests.remove, digest)
    return RedirectResponse("/requests", 303)


@router.get("/operator")
async def operator(request: Request, caller: Operator) -> HTMLResponse:
    """Show how the service is."""
    parts = parts_of(request)
    people, jobs = await asyncio.gather(asyncio.to_thread(parts.accounts.listed), asyncio.to_thread(parts.jobs.counts))
    facts = _facts(parts, jobs)
    market = await _market_facts(parts)
    return await page(request, caller, "operator.html", facts=facts, market=market, people=people, roles=ROLES)


async def _market_facts(parts: Parts) -> list[tuple[str, str]]:
    """Return what is known about the market; one line that says why where the chain does not answer."""
    if parts.market is None:
        return []
    try:
        return await asyncio.to_thread(parts.market.facts)
    except GatllmError as error:
        return [("Chain", str(error))]


def _facts(parts: Parts, jobs: dict[str, int]) -> list[tuple[str, str]]:
    slots, metrics = parts.slots, parts.metrics
    first = metrics.first_token
    thresholds = _thresholds(parts)
    library = parts.assistant.library
    return [
        ("Version", __version__),
        ("Models", ", ".join(parts.models)),
        ("Ready", parts.prober.state()[1]),
        ("Answering now", f"{slots.running} of {slots.size}"),
        ("Waiting", f"{len(slots.waiting)} of {slots.queue}"),
        ("Answers", str(sum(metrics.finished.values()))),
        ("Failed", str(metrics.finished["error"])),
        ("First token, mean", f"{first.total / first.count:.2f} s" if first.count else "none yet"),
        *thresholds,
        ("Datasets", ", ".join(dataset.name for dataset in library.datasets) if library else "none"),
        ("Database", parts.database.engine.dialect.name),
        ("Open to", parts.access.openness),
        ("Jobs waiting", str(jobs["queued"] + jobs["running"])),
        ("Jobs failed", str(jobs["failed"])),
    ]


def _thresholds(parts: Parts) -> list[tuple[str, str]]:
    """Return the threshold of each model for a question of each difficulty."""
    shown = []
    for name, assistant in parts.models.items():
        found = {level: assistant.threshold_of(level) for level in get_args(Difficulty)}
        words = ", ".join(f"{level} {value:.0%}" for level, value in found.items() if value is not None)
        shown.append((f"Threshold, {name}", words or "no data to compare with"))
    return shown


@router.post("/operator/role", response_model=None)
async def set_role(
    request: Request, _: Operator, account: Annotated[str, Form()] = "", role: Annotated[str, Form()] = ""
) -> RedirectResponse:
    """Give an account another role."""
    await asyncio.to_thread(parts_of(request).accounts.set_role, account, role)
    return RedirectResponse("/operator", 303)


@router.post("/requests/bounty", response_model=None)
async def set_bounty(
    request: Request,
    _: Operator,
    digest: Annotated[str, Form()] = "",
    bounty: Annotated[str, Form(max_length=200)] = "",
) -> RedirectResponse:
    """Promise something for data that answers a request, or take that back."""
    await asyncio.to_thread(parts_of(request).data_requests.set_bounty, digest, bounty.strip())
    return RedirectResponse("/requests", 303)


@router.get("/operator/weights.json", response_model=None)
async def weights(request: Request, _: Operator, since: float = 0.0, until: float | None = None) -> Response:
    """How much of the answers came from each dataset, as `gatllm market reward` takes it."""
    found = await asyncio.to_thread(parts_of(request).attribution.weights, since, until)
    return Response(json.dumps(found, indent=1, sort_keys=True), media_type="application/json")


@router.get("/operator/feedback.jsonl", response_model=None)
async def feedback(request: Request, _: Operator) -> Response:
    """The feedback of those who agreed, one JSON object a line."""
    parts = parts_of(request)
    rows = await asyncio.to_thread(lambda: list(parts.feedback.export()))
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return Response(lines.encode("utf-8", "replace"), media_type="application/x-ndjson")
