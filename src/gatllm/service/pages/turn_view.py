"""What a page needs of an answer, as JSON that is kept with the turn."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from gatllm.answering import Answer, Assessment

_KEPT = ("id", "text", "verdict", "generator", "finish_reason", "prompt_tokens", "completion_tokens", "confidence",
         "threshold", "warning", "declined", "sources", "similar")  # fmt: skip


def assessment_view(assessment: Assessment) -> dict[str, Any]:
    """Return an assessment as plain values."""
    return asdict(assessment)


def answer_view(answer: Answer) -> dict[str, Any]:
    """Return an answer as plain values, without its transcript."""
    whole = answer.to_json()
    reviews = [asdict(review) | {"changed": review.changed} for review in answer.reviews]
    return {name: whole[name] for name in _KEPT} | {
        "reviews": reviews,
        "sources": whole["sources"],
        "similar": whole["similar"],
    }
