"""Is the process there, can it answer, and how busy is it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse

from gatllm.models import ChatOptions
from gatllm.service.openai_api import assistant_of, slots_of
from gatllm.service.slots import Slots, Ticket

_PROBE_SECONDS = 30.0
_FRESH_SECONDS = 10.0  # a probe counts for so long
_SILENT_SECONDS = 120.0  # a generation that has said nothing for so long hangs

router = APIRouter()


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(request: Request) -> JSONResponse:
    """The model answers: it makes one token, or is seen to be at work. 503 when it doesn't, or while shutting down."""
    slots = slots_of(request)
    if slots.stop_at is not None:
        return _state(503, "shutting down", slots)
    hanging: asyncio.Task[None] | None = request.app.state.hanging
    if hanging is not None and not hanging.done():
        return _state(503, "no token: TimeoutError", slots)
    if slots.running >= slots.size:
        silent = time.monotonic() - slots.last_sign
        return _state(503 if silent > _SILENT_SECONDS else 200, "busy", slots)
    if time.monotonic() - request.app.state.probed > _FRESH_SECONDS:
        if failure := await _probe(request):
            return _state(503, f"no token: {failure}", slots)
        request.app.state.probed = time.monotonic()
    return _state(200, "ready", slots)


async def _probe(request: Request) -> str:
    """Make one token, in a slot like any other; return what went wrong ('' when nothing did)."""
    state = request.app.state
    state.probing = work = asyncio.create_task(_holding(slots_of(request).enter(), request))
    work.add_done_callback(lambda done: done.cancelled() or done.exception())  # who asked may be gone
    try:
        await asyncio.wait_for(asyncio.shield(work), _PROBE_SECONDS)
    except Exception as error:  # any failure means the same here
        if not work.done():  # its thread can't be stopped: it keeps its slot, and whoever asks meanwhile is told
            state.hanging = work
        return type(error).__name__
    return ""


async def _holding(ticket: Ticket, request: Request) -> None:
    """Make one token and give the slot back when that is really over: two at once would share the processor."""
    try:
        await asyncio.get_running_loop().run_in_executor(None, _one_token, request)
    finally:
        await ticket.leave()


def _one_token(request: Request) -> None:
    assistant_of(request).generator.generate([[{"role": "user", "content": "hi"}]], ChatOptions(max_new_tokens=1))


def _state(status: int, word: str, slots: Slots) -> JSONResponse:
    content: dict[str, Any] = {"status": word, "running": slots.running, "waiting": len(slots.waiting)}
    return JSONResponse(content, status)


@router.get("/metrics")
async def metrics(request: Request) -> PlainTextResponse:
    """Numbers in Prometheus' text format."""
    slots = slots_of(request)
    lines = [
        "# TYPE gatllm_requests_running gauge",
        f"gatllm_requests_running {slots.running}",
        "# TYPE gatllm_requests_waiting gauge",
        f"gatllm_requests_waiting {len(slots.waiting)}",
        "# TYPE gatllm_answers_total counter",
        *(f'gatllm_answers_total{{reason="{reason}"}} {count}' for reason, count in sorted(slots.finished.items())),
    ]
    return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")
