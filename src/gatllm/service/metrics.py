"""Numbers about the service in Prometheus' text format, named as vLLM names them where it has them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from gatllm.errors import GatllmError
from gatllm.service.database import DatabaseError

_FIRST = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_CHAIN_SECONDS = 3.0  # for which the numbers wait for the chain
_WHOLE = (0.3, 1, 2.5, 5, 10, 30, 60, 120, 300)

router = APIRouter(tags=["health"])


@dataclass
class Histogram:
    """How many values were at most so large."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0
    count: int = 0

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts = self.counts or [0] * len(self.bounds)
        for at, bound in enumerate(self.bounds):
            self.counts[at] += value <= bound
        self.total += value
        self.count += 1

    def lines(self, name: str) -> list[str]:
        """Return it as Prometheus reads it."""
        counts = self.counts or [0] * len(self.bounds)
        return [
            f"# TYPE {name} histogram",
            *(f'{name}_bucket{{le="{bound:g}"}} {count}' for bound, count in zip(self.bounds, counts, strict=True)),
            f'{name}_bucket{{le="+Inf"}} {self.count}',
            f"{name}_sum {self.total:.6f}",
            f"{name}_count {self.count}",
        ]


@dataclass
class Metrics:
    """What happened since the process began."""

    first_token: Histogram = field(default_factory=lambda: Histogram(_FIRST))
    whole: Histogram = field(default_factory=lambda: Histogram(_WHOLE))
    queued: Histogram = field(default_factory=lambda: Histogram(_FIRST))
    prompt_tokens: int = 0
    generation_tokens: int = 0
    finished: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)


class Watch:
    """Times one answer."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._began = time.monotonic()
        self.first: float | None = None  # seconds to the first token

    def token(self) -> None:
        """The first token is there (or a later one, which does not matter)."""
        if self.first is None:
            self.first = time.monotonic() - self._began
            self._metrics.first_token.add(self.first)

    def end(self, reason: str, prompt_tokens: int = 0, completion_tokens: int = 0) -> None:
        """The answer is over."""
        self._metrics.whole.add(time.monotonic() - self._began)
        self._metrics.finished[reason] += 1
        self._metrics.prompt_tokens += prompt_tokens
        self._metrics.generation_tokens += completion_tokens


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> PlainTextResponse:
    """How busy the service is, how fast it answers, and what went wrong."""
    parts = request.app.state.parts
    slots, kept = parts.slots, parts.metrics
    try:
        jobs = await asyncio.to_thread(parts.jobs.counts)
    except DatabaseError:  # the other numbers are wanted most while something is wrong
        jobs = {}
    lines = [
        "# TYPE vllm:num_requests_running gauge",
        f"vllm:num_requests_running {slots.running}",
        "# TYPE vllm:num_requests_waiting gauge",
        f"vllm:num_requests_waiting {len(slots.waiting)}",
        "# TYPE vllm:prompt_tokens_total counter",
        f"vllm:prompt_tokens_total {kept.prompt_tokens}",
        "# TYPE vllm:generation_tokens_total counter",
        f"vllm:generation_tokens_total {kept.generation_tokens}",
        "# TYPE vllm:request_success_total counter",
        *(f'vllm:request_success_total{{finished_reason="{why}"}} {n}' for why, n in sorted(kept.finished.items())),
        *kept.first_token.lines("vllm:time_to_first_token_seconds"),
        *kept.whole.lines("vllm:e2e_request_latency_seconds"),
        *kept.queued.lines("vllm:request_queue_time_seconds"),
        "# TYPE gatllm_http_responses_total counter",
        *(f'gatllm_http_responses_total{{status="{kind}"}} {n}' for kind, n in sorted(kept.statuses.items())),
        "# TYPE gatllm_jobs gauge",
        *(f'gatllm_jobs{{state="{state}"}} {n}' for state, n in jobs.items()),
        *await _chain(parts),
    ]
    return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")


async def _chain(parts: Any) -> list[str]:
    """Return whether the market's chain answers, and how old its newest block is."""
    if parts.market is None:
        return []
    try:
        async with asyncio.timeout(_CHAIN_SECONDS):
            lag = await asyncio.to_thread(parts.market.chain_lag)
    except (GatllmError, TimeoutError):
        return ["# TYPE gatllm_chain_up gauge", "gatllm_chain_up 0"]
    return [
        "# TYPE gatllm_chain_up gauge",
        "gatllm_chain_up 1",
        "# TYPE gatllm_chain_lag_seconds gauge",
        f"gatllm_chain_lag_seconds {lag:.1f}",
    ]
