"""The decoder-only language model."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from gatllm.models.cache import Cache
from gatllm.models.config import GPTConfig
from gatllm.models.stack import Stack


class GPT(nn.Module):
    """Predicts the next token at every position (Radford et al. 2018)."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.decoder = Stack(config, causal=True)
        self.head = None if config.tied else nn.Linear(config.width, config.vocabulary, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits (batch, tokens, vocabulary) of the token after each of ``tokens`` (batch, tokens)."""
        return self.logits(self.hidden(tokens))

    def hidden(self, tokens: Tensor) -> Tensor:
        """Return the final states (batch, tokens, width) of ``tokens`` (batch, tokens)."""
        return self.decoder(self.embedding(tokens))  # type: ignore[no-any-return]

    def new_cache(self, batch: int, capacity: int) -> Cache:
        """Return an empty cache for ``batch`` rows of at most ``capacity`` tokens."""
        return Cache(self.decoder.new_cache(batch, capacity), batch, capacity)

    def extend(self, tokens: Tensor, cache: Cache, counts: Sequence[int] | None = None) -> Tensor:
        """Return the final states (batch, tokens, width) of new tokens (batch, tokens), which join ``cache``.

        Rows are padded on the right: ``counts`` says how many tokens of each are real (default: all).
        """
        return self.decoder.extend(self.embedding(tokens), cache, counts)

    def logits(self, states: Tensor) -> Tensor:
        """Return logits (…, vocabulary) of final states (…, width)."""
        return F.linear(states, self.embedding.weight) if self.head is None else self.head.forward(states)

    @property
    def output_weight(self) -> Tensor:
        """The output projection (vocabulary, width): the head's, or the embedding's where they are tied."""
        return self.embedding.weight if self.head is None else self.head.weight
