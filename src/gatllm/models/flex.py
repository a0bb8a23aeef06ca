"""Windowed attention on a GPU: FlexAttention (Dong et al. 2024) compiles the pattern into one fused kernel."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from gatllm.models.pattern import Pattern


def flex_attend(query: Tensor, key: Tensor, value: Tensor, pattern: Pattern, padding: Tensor | None) -> Tensor:
    """Attend as `gatllm.models.attention.attend`; blocks of the mask that are empty cost nothing."""
    lengths = (query.shape[1], key.shape[1])
    mask = _mask(pattern, *lengths, query.device) if padding is None else _padded_mask(pattern, *lengths, padding)
    kernel = _compiled() if query.is_cuda else flex_attention
    mixed: Tensor = kernel(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), block_mask=mask)
    return mixed.transpose(1, 2)


@cache
def _compiled() -> Any:
    return torch.compile(flex_attention, dynamic=False)


def _rule(pattern: Pattern) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
    """`Pattern.allowed` for one query and one key, as FlexAttention wants it."""

    def seen(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        near = (query - key).abs() < (pattern.window or 0)
        near = near | (key < pattern.global_tokens) | (query < pattern.global_tokens)
        return near & (key <= query) if pattern.causal else near

    return seen


@lru_cache(maxsize=32)
def _mask(pattern: Pattern, queries: int, keys: int, device: torch.device) -> BlockMask:
    return create_block_mask(_rule(pattern), None, None, queries, keys, device=str(device))


def _padded_mask(pattern: Pattern, queries: int, keys: int, padding: Tensor) -> BlockMask:
    rule = _rule(pattern)

    def seen(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return rule(batch, head, query, key) & ~padding[batch, key]

    return create_block_mask(seen, padding.shape[0], None, queries, keys, device=str(padding.device))
