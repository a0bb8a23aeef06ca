"""Embeddings and a stack of blocks: what the decoder, the encoder and the generator are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from gatllm.errors import GatllmError
from gatllm.models.cache import Cache, CrossCache, LayerCache, RingCache
from gatllm.models.config import TransformerConfig
from gatllm.models.fused import dropout
from gatllm.models.layers import Block, Norm
from gatllm.models.pattern import Pattern
from gatllm.models.positions import AddedPositions, Rotary, rotary_tables


class Stack(nn.Module):
    """Token states in, token states out: positions, blocks, final norm."""

    def __init__(
        self,
        config: TransformerConfig,
        *,
        causal: bool,
        layers: int | None = None,
        context: int | None = None,
        cross: Pattern | None = None,
    ) -> None:
        super().__init__()
        self.context = context or config.context
        self.dropout = config.dropout
        self.positions: AddedPositions | None = None
        self.cosine: Tensor | None
        self.sine: Tensor | None
        if config.positions == "rotary":
            rotary = rotary_tables(self.context, config.head_width, config.rotary_base)
            self.register_buffer("cosine", rotary.cosine, persistent=False)
            self.register_buffer("sine", rotary.sine, persistent=False)
        else:
            self.cosine = self.sine = None
            self.positions = AddedPositions(config.positions, self.context, config.width)
        self.embedding_norm = Norm(config) if config.embedding_norm else None
        depth = layers or config.layers
        self.blocks = nn.ModuleList(Block(config, layer, causal=causal, cross=cross) for layer in range(depth))
        self.final_norm = Norm(config) if config.norm_place != "post" else None

    @property
    def layers(self) -> Sequence[Block]:
        """The blocks, first to last."""
        return cast(Sequence[Block], self.blocks)

    def embed(self, embedded: Tensor, positions: Tensor | None = None) -> Tensor:
        """Return the residual stream that enters the blocks, from token embeddings (batch, tokens, width)."""
        x = embedded if self.positions is None else self.positions(embedded, positions)
        if self.embedding_norm is not None:
            x = self.embedding_norm(x)
        return dropout(x, self.dropout, self.training)

    def rotary(self) -> Rotary | None:
        """Return the rotary tables of all positions, or None where positions are added."""
        return None if self.cosine is None or self.sine is None else Rotary(self.cosine, self.sine)

    def forward(
        self,
        embedded: Tensor,
        padding: Tensor | None = None,
        source: Tensor | None = None,
        source_padding: Tensor | None = None,
    ) -> Tensor:
        """Return the states (batch, tokens, width) of token embeddings (batch, tokens, width).

        Raises:
            GatllmError: there are more tokens than the context holds.
        """
        tokens = embedded.shape[1]
        self.check_length(tokens)
        x = self.embed(embedded)
        rotary = self.rotary()
        if rotary is not None:
            rotary = rotary.between(0, tokens)
        for block in self.blocks:
            x = block(x, rotary, padding, source, source_padding)
        return x if self.final_norm is None else self.final_norm(x)

    def new_cache(self, batch: int, capacity: int) -> list[LayerCache]:
        """Return an empty cache for each block, with room for ``capacity`` tokens a row."""
        like = next(self.parameters())
        made: list[LayerCache] = []
        for block in self.layers:
            attention = block.attention.inner
            kind = LayerCache if attention.pattern.is_full(capacity) else RingCache
            made.append(kind(attention.pattern, (batch, attention.heads, capacity, attention.head), like))
        return made

    def extend(self, embedded: Tensor, cache: Cache, counts: Sequence[int] | None = None) -> Tensor:
        """Return the states of new tokens, which join ``cache``.

        Args:
            embedded: token embeddings (batch, tokens, width), each row padded on the right.
            cache: what came before.
            counts: number of real tokens of each row; default: all.

        Raises:
            GatllmError: a row grows beyond what the cache has room for.
        """
        step = cache.step(embedded.shape[1], counts, embedded.device)
        self.check_length(max(map(sum, zip(step.starts, step.counts, strict=True))), cache.capacity)
        tables = self.rotary()
        rotary = None if tables is None else step.rotary(tables)
        x = self.embed(embedded, None if self.positions is None else step.positions)
        crosses: Sequence[CrossCache | None] = cache.cross or [None] * len(cache.layers)
        for block, layer, cross in zip(self.layers, cache.layers, crosses, strict=True):
            x = block.extend(x, rotary, layer, step, cross, cache.padding)
        cache.grow(step)
        return x if self.final_norm is None else self.final_norm(x)

    def check_length(self, tokens: int, capacity: int | None = None) -> None:
        """Refuse more tokens than the context (or the cache) holds."""
        room = min(self.context, capacity or self.context)
        if tokens > room:
            raise GatllmError(f"{tokens} tokens, but the context of this model holds {room}", "shorten the text")
