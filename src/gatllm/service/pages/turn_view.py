"""What a page needs of an answer, as JSON that is kept with the turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from gatllm.answering import Answer, Assessment

TokensOf = Callable[[str], list[str]]
_KEPT = ("id", "text", "verdict", "generator", "finish_reason", "prompt_tokens", "completion_tokens", "confidence",
         "threshold", "warning", "declined", "sources", "similar")  # fmt: skip


def assessment_view(assessment: Assessment) -> dict[str, Any]:
    """Return an assessment as plain values."""
    return asdict(assessment)


def answer_view(answer: Answer, tokens_of: TokensOf | None = None) -> dict[str, Any]:
    """Return an answer as plain values, without its transcript; ``tokens_of`` tells which tokens hold a dataset."""
    whole = answer.to_json()
    reviews = [asdict(review) | {"changed": review.changed} for review in answer.reviews]
    return {name: whole[name] for name in _KEPT} | {
        "reviews": reviews,
        "sources": [
            source | {"tokens": tokens_of(source["merkle_root"]) if tokens_of else []} for source in whole["sources"]
        ],
        "similar": whole["similar"],
    }
