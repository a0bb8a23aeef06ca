"""How the next token is chosen."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor

from gatllm.errors import UsageError


class Sampling(BaseModel):
    """What one request wants; the defaults are greedy.

    Filters come in the usual order: repetition penalty (Keskar et al. 2019), temperature, top-k, top-p (Holtzman et
    al. 2020), min-p (Nguyen et al. 2024).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_new_tokens: int | None = Field(None, ge=1, description="none: as many as the context has room for")
    temperature: float = Field(0.0, ge=0, description="0 takes the likeliest token")
    top_k: int = Field(0, ge=0, description="only the k likeliest; 0: all")
    top_p: float = Field(1.0, gt=0, le=1, description="only the likeliest that together have this probability")
    min_p: float = Field(0.0, ge=0, le=1, description="only those with this fraction of the likeliest's probability")
    repetition_penalty: float = Field(1.0, gt=0, description="above 1 makes tokens seen before less likely")
    n: int = Field(1, ge=1, description="answers per prompt")
    seed: int = 0
    stop: tuple[str, ...] = Field((), description="strings that end the answer; not part of it")
    stop_tokens: tuple[int, ...] = Field((), description="tokens that end the answer, besides <end>")
    ignore_end: bool = Field(False, description="go on after <end>")
    top_logprobs: int = Field(0, ge=0, description="how many alternatives to report for each token")
    overflow: Literal["error", "stop", "slide"] = Field(
        "error",
        description="when prompt and answer don't fit the context: refuse, stop where it is full, or forget the oldest",
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = ".".join(str(part) for part in first["loc"])
            raise UsageError(f"sampling {name}: {first['msg']}", "see docs/models.md, Inference") from None

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.overflow == "slide" and self.max_new_tokens is None:
            raise ValueError("a text that forgets its beginning never ends: give max_new_tokens")
        return self

    @property
    def draws(self) -> bool:
        """Tell whether chance plays a part."""
        return self.temperature > 0

    def source(self, sample: int) -> random.Random:
        """Return the random numbers of answer ``sample``: the same in any batch and on any machine."""
        return random.Random(f"{self.seed}/{sample}")


def choose(logits: Tensor, sampling: Sampling, sources: Sequence[random.Random], seen: Tensor | None) -> Tensor:
    """Return the next token of each row.

    Args:
        logits: (batch, vocabulary), float32.
        sampling: one for all rows.
        sources: the random numbers of each row; one is drawn.
        seen: (batch, vocabulary), true where a token occurred, for the repetition penalty; or None.

    Returns:
        (batch,).
    """
    if seen is not None:
        penalised = torch.where(logits > 0, logits / sampling.repetition_penalty, logits * sampling.repetition_penalty)
        logits = torch.where(seen, penalised, logits)
    if not sampling.draws:
        return logits.argmax(-1)
    probabilities = keep_likely(logits / sampling.temperature, sampling).softmax(-1, dtype=torch.float64)
    heights = probabilities.cumsum(-1)
    points = torch.tensor([source.random() for source in sources], dtype=torch.float64, device=logits.device)
    top = heights[:, -1:]
    # Strictly below the top, and the first height strictly above the point: a token of probability 0 is never taken.
    points = torch.minimum(points[:, None] * top, torch.nextafter(top, torch.zeros_like(top)))
    return torch.searchsorted(heights, points, right=True)[:, 0]


def keep_likely(logits: Tensor, sampling: Sampling) -> Tensor:
    """Return ``logits`` (batch, vocabulary) with -inf for what top-k, top-p and min-p leave out."""
    if 0 < sampling.top_k < logits.shape[-1]:
        least = logits.topk(sampling.top_k).values[:, -1:]
        logits = logits.masked_fill(logits < least, -math.inf)
    if sampling.top_p < 1:
        ordered, places = logits.sort(descending=True)
        probabilities = ordered.softmax(-1)
        beyond = probabilities.cumsum(-1) - probabilities >= sampling.top_p  # the token that crosses the line stays
        logits = logits.masked_fill(torch.zeros_like(beyond).scatter(1, places, beyond), -math.inf)
    if sampling.min_p > 0:
        # p < min_p * p_max, said in logits.
        logits = logits.masked_fill(logits < logits.amax(-1, keepdim=True) + math.log(sampling.min_p), -math.inf)
    return logits
