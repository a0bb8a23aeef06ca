"""``POST /v1/review`` and ``/v1/fix``: the discriminator for editors and pipelines, without a generator."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field

from gatllm.answering import CodeReview
from gatllm.answering.checking import review_code
from gatllm.service.access import Asker
from gatllm.service.openai.errors import RESPONSES
from gatllm.service.openai.run import Run, SafeJSON
from gatllm.service.parts import Held, Parts, count_use, parts_of
from gatllm.service.schema import Body

LONGEST = 200_000  # characters

router = APIRouter(prefix="/v1", tags=["review"], responses=RESPONSES)


class Code(Body):
    """Python to look at."""

    code: Annotated[str, Field(max_length=LONGEST)]
    model: str | None = None


@router.post("/review", response_model=None)
async def review(asked: Code, request: Request, held: Held, caller: Asker) -> SafeJSON:
    """Tell what is wrong with code: verdict, probability of being wrong, findings. The code stays as it is."""
    parts = parts_of(request)
    reviewer = parts.assistant.reviewer

    def work() -> Generator[dict[str, Any], None, None]:
        found = reviewer.check(asked.code)
        yield {
            "object": "review",
            "verdict": found.verdict,
            "probability": found.probability,
            "findings": [asdict(finding) for finding in found.findings],
            "suspects": [asdict(suspect) for suspect in found.suspects],
        }

    return await _done(parts, Run(request, await held.take(), caller), work)


@router.post("/fix", response_model=None)
async def fix(asked: Code, request: Request, held: Held, caller: Asker) -> SafeJSON:
    """Correct code where it is wrong beyond doubt; everything else stays, byte for byte."""
    parts = parts_of(request)

    def work() -> Generator[dict[str, Any], None, None]:
        found: CodeReview = review_code(asked.code, parts.assistant.reviewer)
        whole = asdict(found)
        kept = ("code", "verdict", "probability", "notes", "edits")
        yield {"object": "fix", "changed": found.changed, **{name: whole[name] for name in kept}}

    return await _done(parts, Run(request, await held.take(), caller), work)


async def _done(parts: Parts, run: Run, work: Any) -> SafeJSON:
    [result] = [item async for item in run.work(work) if item is not None]
    await count_use(parts, run.caller, 0, 0)
    return SafeJSON(result)
