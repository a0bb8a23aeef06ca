"""Embeddings and a stack of blocks: what the decoder, the encoder and the generator are made of."""

from __future__ import annotations

from torch import Tensor, nn

from gatllm.errors import GatllmError
from gatllm.models.attention import Pattern
from gatllm.models.config import TransformerConfig
from gatllm.models.fused import dropout
from gatllm.models.layers import Block, Norm
from gatllm.models.positions import AddedPositions, Turns, rotary_turns


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
            turns = rotary_turns(self.context, config.head_width, config.rotary_base)
            self.register_buffer("cosine", turns.cosine, persistent=False)
            self.register_buffer("sine", turns.sine, persistent=False)
        else:
            self.cosine = self.sine = None
            self.positions = AddedPositions(config.positions, self.context, config.width)
        self.embedding_norm = Norm(config) if config.embedding_norm else None
        depth = layers or config.layers
        self.blocks = nn.ModuleList(Block(config, layer, causal=causal, cross=cross) for layer in range(depth))
        self.final_norm = Norm(config) if config.norm_place != "post" else None

    def embed(self, embedded: Tensor, positions: Tensor | None = None) -> Tensor:
        """Return the residual stream that enters the blocks, from token embeddings (batch, tokens, width)."""
        x = embedded if self.positions is None else self.positions(embedded, positions)
        if self.embedding_norm is not None:
            x = self.embedding_norm(x)
        return dropout(x, self.dropout, self.training)

    def turns(self) -> Turns | None:
        """Return the rotary turns of all positions, or None where positions are added."""
        return None if self.cosine is None or self.sine is None else Turns(self.cosine, self.sine)

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
        turns = self.turns()
        if turns is not None:
            turns = turns.between(0, tokens)
        for block in self.blocks:
            x = block(x, turns, padding, source, source_padding)
        return x if self.final_norm is None else self.final_norm(x)

    def check_length(self, tokens: int) -> None:
        """Refuse more tokens than the context holds."""
        if tokens > self.context:
            raise GatllmError(
                f"{tokens} tokens, but the context of this model holds {self.context}", "shorten the text"
            )
