"""Requests for data, which everyone sees, and what only the operator does."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gatllm import __version__
from gatllm.service.access import Operator, Reader
from gatllm.service.accounts import ROLES
from gatllm.service.pages.rendering import page
from gatllm.service.parts import Parts, parts_of

router = APIRouter(include_in_schema=False)


@router.get("/requests")
async def requests(request: Request, caller: Reader) -> HTMLResponse:
    """Show what people asked and the data hardly covers."""
    listed = await asyncio.to_thread(parts_of(request).data_requests.top)
    return await page(request, caller, "requests.html", requests=listed)


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
    return await page(request, caller, "operator.html", facts=facts, people=people, roles=ROLES)


def _facts(parts: Parts, jobs: dict[str, int]) -> list[tuple[str, str]]:
    slots, metrics = parts.slots, parts.metrics
    first = metrics.first_token
    threshold = parts.assistant.assess("Sort a list").threshold
    library = parts.assistant.library
    return [
        ("Version", __version__),
        ("Generator", parts.assistant.generator.name),
        ("Ready", parts.prober.state()[1]),
        ("Answering now", f"{slots.running} of {slots.size}"),
        ("Waiting", f"{len(slots.waiting)} of {slots.queue}"),
        ("Answers", str(sum(metrics.finished.values()))),
        ("Failed", str(metrics.finished["error"])),
        ("First token, mean", f"{first.total / first.count:.2f} s" if first.count else "none yet"),
        ("Threshold of an easy question", f"{threshold:.0%}" if threshold is not None else "no data to compare with"),
        ("Datasets", ", ".join(dataset.name for dataset in library.datasets) if library else "none"),
        ("Database", parts.database.engine.dialect.name),
        ("Open to", parts.access.openness),
        ("Jobs waiting", str(jobs["queued"] + jobs["running"])),
        ("Jobs failed", str(jobs["failed"])),
    ]


@router.post("/operator/role", response_model=None)
async def set_role(
    request: Request, _: Operator, account: Annotated[str, Form()] = "", role: Annotated[str, Form()] = ""
) -> RedirectResponse:
    """Give an account another role."""
    await asyncio.to_thread(parts_of(request).accounts.set_role, account, role)
    return RedirectResponse("/operator", 303)


@router.get("/operator/feedback.jsonl", response_model=None)
async def feedback(request: Request, _: Operator) -> Response:
    """The feedback of those who agreed, one JSON object a line."""
    parts = parts_of(request)
    rows = await asyncio.to_thread(lambda: list(parts.feedback.export()))
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return Response(lines.encode("utf-8", "replace"), media_type="application/x-ndjson")
