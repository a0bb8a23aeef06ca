"""The parts of every stack: norm, feed-forward, self- and cross-attention, and the block they make."""

from __future__ import annotations

from typing import Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gatllm.models.attention import attend
from gatllm.models.cache import CrossCache, LayerCache, Step
from gatllm.models.config import TransformerConfig
from gatllm.models.fused import (
    dropout,
    fits_short_attention,
    rms_norm,
    short_attention,
    short_mask,
    squared_relu,
)
from gatllm.models.pattern import Pattern
from gatllm.models.positions import Rotary, rotate

Inner = TypeVar("Inner", bound=nn.Module)


class Norm(nn.Module):
    """Layer norm or RMS norm over the last dimension, with or without a learned gain."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.kind, self.epsilon, self.width = config.norm, config.norm_epsilon, config.width
        self.weight = nn.Parameter(torch.ones(config.width)) if config.norm_gain else None
        has_bias = config.norm_gain and config.bias and config.norm == "layer"
        self.bias = nn.Parameter(torch.zeros(config.width)) if has_bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised ``x`` (…, width)."""
        if self.kind == "layer":
            return F.layer_norm(x, (self.width,), self.weight, self.bias, self.epsilon)
        normed = rms_norm(x, self.epsilon)
        return normed if self.weight is None else normed * self.weight


class FeedForward(nn.Module):
    """The position-wise network of a block; gated (Shazeer 2020) for swiglu and geglu."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.activation = config.activation
        self.gated = config.activation in {"swiglu", "geglu"}
        self.up = nn.Linear(config.width, config.hidden_width * (2 if self.gated else 1), bias=config.bias)
        self.down = nn.Linear(config.hidden_width, config.width, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the network's output for ``x`` (batch, tokens, width), of the same shape."""
        return self.down.forward(self._activate(self.up.forward(x)))

    def _activate(self, x: Tensor) -> Tensor:
        match self.activation:
            case "relu2":
                return squared_relu(x)
            case "relu":
                return F.relu(x)
            case "gelu":
                return F.gelu(x)
            case "gelu_tanh":
                return F.gelu(x, approximate="tanh")
            case _:
                gate, value = x.chunk(2, dim=-1)
                return (F.silu(gate) if self.activation == "swiglu" else F.gelu(gate)) * value


class SelfAttention(nn.Module):
    """Multi-head attention of a sequence to itself."""

    def __init__(self, config: TransformerConfig, pattern: Pattern) -> None:
        super().__init__()
        self.heads, self.head = config.heads, config.head_width
        self.pattern, self.qk_norm, self.epsilon = pattern, config.qk_norm, config.norm_epsilon
        self.qkv = nn.Linear(config.width, 3 * config.width, bias=config.bias)
        self.output = nn.Linear(config.width, config.width, bias=config.bias)

    def forward(self, x: Tensor, rotary: Rotary | None, padding: Tensor | None = None) -> Tensor:
        """Return the attended ``x``.

        Args:
            x: (batch, tokens, width).
            rotary: rotary tables of these tokens, or None.
            padding: (batch, tokens), true where a token is padding, or None.

        Returns:
            (batch, tokens, width).
        """
        qkv = self.qkv(x)
        if fits_short_attention(qkv, self.heads, self.pattern):
            mask = short_mask(self.pattern, qkv, self.heads, padding)
            mixed = short_attention(qkv, self.heads, rotary, self.epsilon if self.qk_norm else None, mask)
        else:
            query, key, value = self.split(qkv, rotary)
            mixed = attend(query, key, value, self.pattern, padding).flatten(2)
        return self.output(mixed)  # type: ignore[no-any-return]

    def extend(self, x: Tensor, rotary: Rotary | None, cache: LayerCache, step: Step) -> Tensor:
        """Return the attended new tokens ``x`` (batch, tokens, width), which join ``cache``."""
        # `forward` past the module call, here and in the feed-forward: on one token that costs as much as a product.
        qkv = self.qkv.forward(x)
        mixed = cache.extend(*self.split(qkv, rotary), step)
        return self.output.forward(mixed.flatten(2))

    def split(self, qkv: Tensor, rotary: Rotary | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values, each (batch, tokens, heads, head), turned and normed."""
        split = qkv.view(*qkv.shape[:2], 3, self.heads, self.head)
        qk, value = split[:, :, :2], split[:, :, 2]
        if rotary is not None:
            qk = rotate(qk, rotary)
        if self.qk_norm:
            qk = rms_norm(qk, self.epsilon)
        query, key = qk.unbind(2)
        return query, key, value


class CrossAttention(nn.Module):
    """Multi-head attention of a target sequence to an encoded source."""

    def __init__(self, config: TransformerConfig, pattern: Pattern) -> None:
        super().__init__()
        self.heads, self.head = config.heads, config.head_width
        self.pattern, self.qk_norm, self.epsilon = pattern, config.qk_norm, config.norm_epsilon
        self.query = nn.Linear(config.width, config.width, bias=config.bias)
        self.key_value = nn.Linear(config.width, 2 * config.width, bias=config.bias)
        self.output = nn.Linear(config.width, config.width, bias=config.bias)

    def forward(self, x: Tensor, source: Tensor, padding: Tensor | None = None) -> Tensor:
        """Return what the targets ``x`` (batch, tokens, width) read in ``source`` (batch, source tokens, width).

        ``padding`` (batch, source tokens) is true where the source is padding.
        """
        key, value = self.project_source(source)
        mixed = attend(self.project(x), key, value, self.pattern, padding)
        return self.output(mixed.flatten(2))  # type: ignore[no-any-return]

    def read(self, x: Tensor, cache: CrossCache, padding: Tensor | None, step: Step) -> Tensor:
        """Return what the new targets ``x`` (batch, tokens, width) read in the source that ``cache`` holds."""
        mixed = cache.read(self.project(x), padding, step)
        return self.output(mixed.flatten(2))  # type: ignore[no-any-return]

    def project(self, x: Tensor) -> Tensor:
        """Return queries (batch, tokens, heads, head)."""
        query: Tensor = self.query(x).unflatten(-1, (self.heads, self.head))
        return rms_norm(query, self.epsilon) if self.qk_norm else query

    def project_source(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values, each (batch, source tokens, heads, head)."""
        key, value = self.key_value(source).unflatten(-1, (2, self.heads, self.head)).unbind(2)
        return rms_norm(key, self.epsilon) if self.qk_norm else key, value


class Branch(nn.Module, Generic[Inner]):
    """One residual branch: the norms around ``inner`` and the dropout, placed as the config says."""

    def __init__(self, config: TransformerConfig, inner: Inner, *, normed: bool = False) -> None:
        super().__init__()
        self.inner: Inner = inner
        self.place = config.norm_place
        has_before = config.norm_place != "post" and not normed
        self.before = Norm(config) if has_before else None
        self.after = Norm(config) if config.norm_place != "pre" else None
        self.dropout = config.dropout

    def enter(self, x: Tensor) -> Tensor:
        """Return what ``inner`` reads of the residual stream ``x`` (batch, tokens, width)."""
        return x if self.before is None else self.before.forward(x)

    def join(self, x: Tensor, branch: Tensor) -> Tensor:
        """Return the residual stream after ``branch`` joined ``x``, both (batch, tokens, width)."""
        if self.after is not None and self.place == "sandwich":
            branch = self.after(branch)
        x = x + dropout(branch, self.dropout, self.training)
        return self.after(x) if self.after is not None and self.place == "post" else x


class Block(nn.Module):
    """Self-attention, cross-attention where there is a source, feed-forward; each a residual branch."""

    def __init__(self, config: TransformerConfig, layer: int, *, causal: bool, cross: Pattern | None = None) -> None:
        super().__init__()
        window = config.layer_window(layer)
        pattern = Pattern(causal, window, config.global_tokens if window is not None else 0)
        # The embedding norm has already done the work of the very first norm (as in ModernBERT).
        normed = config.embedding_norm and layer == 0
        self.attention = Branch(config, SelfAttention(config, pattern), normed=normed)
        self.cross = Branch(config, CrossAttention(config, cross)) if cross is not None else None
        self.feed_forward = Branch(config, FeedForward(config))

    def forward(
        self,
        x: Tensor,
        rotary: Rotary | None,
        padding: Tensor | None = None,
        source: Tensor | None = None,
        source_padding: Tensor | None = None,
    ) -> Tensor:
        """Return the residual stream ``x`` (batch, tokens, width) after this block.

        ``padding`` (batch, tokens) and ``source_padding`` (batch, source tokens) are true at padding; ``source``
        (batch, source tokens, width) is what cross-attention reads.
        """
        mix = self.attention
        x = mix.join(x, mix.inner(mix.enter(x), rotary, padding))
        if self.cross is not None:
            x = self.cross.join(x, self.cross.inner(self.cross.enter(x), source, source_padding))
        think = self.feed_forward
        return think.join(x, think.inner(think.enter(x)))

    def extend(
        self,
        x: Tensor,
        rotary: Rotary | None,
        cache: LayerCache,
        step: Step,
        cross: CrossCache | None = None,
        source_padding: Tensor | None = None,
    ) -> Tensor:
        """Return the residual stream of new tokens ``x`` (batch, tokens, width), which join ``cache``."""
        mix = self.attention
        x = mix.join(x, mix.inner.extend(mix.enter(x), rotary, cache, step))
        if self.cross is not None and cross is not None:
            x = self.cross.join(x, self.cross.inner.read(self.cross.enter(x), cross, source_padding, step))
        think = self.feed_forward
        return think.join(x, think.inner.forward(think.enter(x)))
