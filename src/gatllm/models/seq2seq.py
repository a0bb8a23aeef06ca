"""The encoder-decoder generator."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from gatllm.models.cache import Cache, CrossCache
from gatllm.models.config import Seq2SeqConfig
from gatllm.models.pattern import Pattern
from gatllm.models.stack import Stack


class Seq2Seq(nn.Module):
    """Writes a target that answers a source (Vaswani et al. 2017); both share one embedding."""

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__()
        self.config = config
        cross = Pattern(False, config.cross_window, config.cross_global_tokens)
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.encoder = Stack(config, causal=False, context=config.source_context)
        self.decoder = Stack(config, causal=True, layers=config.decoder_layers, cross=cross)
        self.head = None if config.tied else nn.Linear(config.width, config.vocabulary, bias=False)

    def forward(self, source: Tensor, target: Tensor, source_padding: Tensor | None = None) -> Tensor:
        """Return logits (batch, target tokens, vocabulary) of the token after each target token.

        Args:
            source: (batch, source tokens).
            target: (batch, target tokens), starting with the start token.
            source_padding: (batch, source tokens), true where the source is padding, or None.
        """
        return self.logits(self.hidden(source, target, source_padding))

    def hidden(self, source: Tensor, target: Tensor, source_padding: Tensor | None = None) -> Tensor:
        """Return the decoder's final states (batch, target tokens, width); arguments as `forward`."""
        encoded = self.encode(source, source_padding)
        states: Tensor = self.decoder(self.embedding(target), None, encoded, source_padding)
        return states

    def encode(self, source: Tensor, source_padding: Tensor | None = None) -> Tensor:
        """Return the states (batch, source tokens, width) that cross-attention reads."""
        return self.encoder(self.embedding(source), source_padding)  # type: ignore[no-any-return]

    def new_cache(self, source: Tensor, source_padding: Tensor | None, capacity: int) -> Cache:
        """Return a cache for targets of at most ``capacity`` tokens, with ``source`` (batch, source tokens) encoded."""
        encoded = self.encode(source, source_padding)
        cross = []
        for block in self.decoder.layers:
            if block.cross is not None:
                attention = block.cross.inner
                cross.append(CrossCache(attention.pattern, *attention.project_source(encoded)))
        batch = source.shape[0]
        return Cache(self.decoder.new_cache(batch, capacity), batch, capacity, cross, source_padding)

    def extend(self, target: Tensor, cache: Cache, counts: Sequence[int] | None = None) -> Tensor:
        """Return the final states (batch, tokens, width) of new target tokens (batch, tokens), which join ``cache``.

        Rows are padded on the right: ``counts`` says how many tokens of each are real (default: all).
        """
        return self.decoder.extend(self.embedding(target), cache, counts)

    def logits(self, states: Tensor) -> Tensor:
        """Return logits (…, vocabulary) of final states (…, width)."""
        return F.linear(states, self.embedding.weight) if self.head is None else self.head.forward(states)

    @property
    def output_weight(self) -> Tensor:
        """The output projection (vocabulary, width): the head's, or the embedding's where they are tied."""
        return self.embedding.weight if self.head is None else self.head.weight
