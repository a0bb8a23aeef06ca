"""Is the process there, can it answer, and how busy is it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from gatllm.models import ChatGenerator, ChatOptions
from gatllm.service.slots import Slots

_FRESH_SECONDS = 10.0  # a probe counts for so long
_FIRST_SECONDS = 2.0  # how long a request that comes before the first probe waits for it

router = APIRouter(tags=["health"])


@dataclass
class Prober:
    """Finds out whether the model makes a token, in the background: nobody who asks waits for a slot."""

    slots: Slots
    generator: ChatGenerator
    failure: str | None = None  # why the last probe failed; '': it didn't; None: nothing is known yet
    _at: float = float("-inf")
    _probe: asyncio.Task[None] | None = field(default=None, repr=False)

    def state(self) -> tuple[int, str]:
        """Return the HTTP status and a word for what is known now; begin to find out more where that is old."""
        slots = self.slots
        if slots.stop_at is not None:
            return 503, "shutting down"
        silent = time.monotonic() - slots.last_sign
        if slots.running and silent > slots.step_seconds:
            return 503, "no sign of life"
        if self._probe is None and slots.running < slots.size and time.monotonic() - self._at > _FRESH_SECONDS:
            self._probe = asyncio.create_task(self._find_out())
        if slots.running >= slots.size and self._probe is None:
            return 200, "busy"
        if self.failure is None:
            return 503, "starting"
        return (503, f"no token: {self.failure}") if self.failure else (200, "ready")

    async def first(self) -> None:
        """Wait a moment for the first probe."""
        if self.failure is None and self._probe is not None:
            await asyncio.wait([self._probe], timeout=_FIRST_SECONDS)

    async def _find_out(self) -> None:
        ticket = self.slots.enter("probe")  # in a slot like any other: two at once would share the processor
        try:
            async for _ in ticket.run(self._one_token):
                pass
            self.failure = ""
        except Exception as error:  # any failure means the same here
            self.failure = type(error).__name__
        finally:
            await ticket.leave()
            self._at, self._probe = time.monotonic(), None

    def _one_token(self) -> Generator[None, None, None]:
        self.generator.generate([[{"role": "user", "content": "hi"}]], ChatOptions(max_new_tokens=1))
        yield


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"description": "it can't answer now"}})
async def readyz(request: Request) -> JSONResponse:
    """The model answers: it made one token, or is seen to be at work. 503 when it doesn't, or while shutting down."""
    prober: Prober = request.app.state.parts.prober
    prober.state()
    await prober.first()
    status, word = prober.state()
    slots = prober.slots
    content: dict[str, Any] = {"status": word, "running": slots.running, "waiting": len(slots.waiting)}
    return JSONResponse(content, status)
