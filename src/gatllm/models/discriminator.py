"""The discriminator: tells real from fake, points at the error, names the edit that repairs it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from gatllm.models.config import DiscriminatorConfig
from gatllm.models.stack import Stack


class DiscriminatorOutput(NamedTuple):
    """What the three heads say, as logits.

    Attributes:
        fake_logit: (batch,); its sigmoid is the probability that the text is fake (real 0, fake 1).
        error_logits: (batch, tokens); the sigmoid of each is the probability that the token is wrong.
        edit_logits: (batch, tokens, tags); their softmax is over the edit to make at the token.
    """

    fake_logit: Tensor
    error_logits: Tensor
    edit_logits: Tensor


class Discriminator(nn.Module):
    """An encoder with a head for the whole text and two for each token."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        # `marks` and `parts`: what recipes and signed weights call the two tables.
        self.marks = nn.Embedding(config.marks, config.width) if config.marks else None
        self.parts = nn.Embedding(config.parts, config.width, padding_idx=0) if config.parts else None
        self.encoder = Stack(config, causal=False)
        self.pool = nn.Linear(config.width, 1) if config.pooling == "attention" else None
        self.fake = nn.Linear(config.width, 1)
        self.error = nn.Linear(config.width, 1)
        self.edit = nn.Linear(config.width, config.tags)

    def forward(
        self,
        tokens: Tensor,
        padding: Tensor | None = None,
        structure: Tensor | None = None,
        spelling: Tensor | None = None,
    ) -> DiscriminatorOutput:
        """Judge ``tokens`` (batch, tokens); ``padding`` (batch, tokens) is true at padding.

        ``structure`` (batch, tokens) says what stands around each token (`review.structure`) and ``spelling`` (batch,
        tokens, slots) how it is spelt (`review.spelling`), for a model that reads them.

        Logits at padding mean nothing; no logit of a real token depends on padding.
        """
        states = self.encode(tokens, padding, structure, spelling)
        return DiscriminatorOutput(
            self.fake(self.summary(states, padding))[:, 0], self.error(states)[..., 0], self.edit(states)
        )

    def encode(
        self,
        tokens: Tensor,
        padding: Tensor | None = None,
        structure: Tensor | None = None,
        spelling: Tensor | None = None,
    ) -> Tensor:
        """Return contextual states (batch, tokens, width) of ``tokens`` (batch, tokens)."""
        embedded = self.embedding(tokens)
        if self.marks is not None and structure is not None:
            embedded = embedded + self.marks(structure)
        if self.parts is not None and spelling is not None:
            embedded = embedded + self.parts(spelling).sum(-2)
        return self.encoder(embedded, padding)  # type: ignore[no-any-return]

    def summary(self, states: Tensor, padding: Tensor | None) -> Tensor:
        """Return one vector (batch, width) per text, from states (batch, tokens, width)."""
        if self.config.pooling == "first":
            return states[:, 0]
        scores = states.new_zeros(states.shape[:2]) if self.pool is None else self.pool(states)[..., 0]
        if padding is not None:
            scores = scores.masked_fill(padding, torch.finfo(scores.dtype).min)
        weights = scores.float().softmax(dim=1).to(states.dtype)
        return (weights[:, None] @ states)[:, 0]
