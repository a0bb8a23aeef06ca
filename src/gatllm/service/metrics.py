"""Numbers about the service in Prometheus' text format."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from gatllm.service.openai_api import slots_of

router = APIRouter(tags=["health"])


@router.get("/metrics")
async def metrics(request: Request) -> PlainTextResponse:
    """How busy the service is."""
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
