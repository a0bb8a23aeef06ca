"""Attention, once for all models: full, causal, sliding window, global tokens, in self- and cross-attention.

`Pattern.allowed` is the one definition of who sees whom. `attend` computes exactly that, at a cost linear in the
length where there is a window: in blocks on a CPU, by FlexAttention on a GPU.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gatllm.models.pattern import Pattern

_SMALLEST_BLOCK = 64
_SLAB = 2048  # queries


def attend(query: Tensor, key: Tensor, value: Tensor, pattern: Pattern, padding: Tensor | None = None) -> Tensor:
    """Return softmax(query key' / sqrt(head)) value over what ``pattern`` allows.

    A query that sees no key at all gets zeros.

    Args:
        query: (batch, queries, heads, head).
        key: (batch, keys, heads, head).
        value: (batch, keys, heads, head).
        pattern: who sees whom; positions count from 0 on both sides.
        padding: (batch, keys), true where the key is padding, or None.

    Returns:
        (batch, queries, heads, head).
    """
    if pattern.is_full(max(query.shape[1], key.shape[1])):
        return _attend_full(query, key, value, pattern.causal, padding)
    if query.is_cuda:
        from gatllm.models.flex import flex_attend

        return flex_attend(query, key, value, pattern, padding)
    return _attend_blocks(query, key, value, pattern, padding)


def attend_masked(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Attend under a dense mask (broadcast to (batch, heads, queries, keys)), true where seen; shapes as `attend`."""
    return F.scaled_dot_product_attention(
        query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), attn_mask=mask
    ).transpose(1, 2)


def _attend_full(query: Tensor, key: Tensor, value: Tensor, causal: bool, padding: Tensor | None) -> Tensor:
    if padding is None:
        return F.scaled_dot_product_attention(
            query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), is_causal=causal
        ).transpose(1, 2)
    mask = ~padding[:, None, None, :]
    if causal:
        queries = torch.arange(query.shape[1], device=query.device)
        mask = mask & Pattern(causal=True).allowed(queries, torch.arange(key.shape[1], device=key.device))
    return attend_masked(query, key, value, mask)


def _attend_blocks(query: Tensor, key: Tensor, value: Tensor, pattern: Pattern, padding: Tensor | None) -> Tensor:
    """Each block of queries attends to the global keys, its own block of keys and the neighbouring blocks."""
    length = query.shape[1]
    size = max(pattern.window or 0, _SMALLEST_BLOCK)
    slab = max(1, _SLAB // size) * size  # worked through one after the other, so that masks and copies stay in cache
    mixed = [
        _attend_slab(query[:, start : start + slab], key, value, pattern, padding, start, size)
        for start in range(0, length, slab)
    ]
    whole = mixed[0] if len(mixed) == 1 else torch.cat(mixed, dim=1)
    first = min(pattern.global_tokens, length)
    if first and not pattern.causal:  # global queries see everything, not only what is near
        overview = _attend_full(query[:, :first], key, value, False, padding)
        whole = torch.cat([overview, whole[:, first:]], dim=1)
    return whole


def _attend_slab(
    query: Tensor, key: Tensor, value: Tensor, pattern: Pattern, padding: Tensor | None, start: int, size: int
) -> Tensor:
    """Attend for the queries from position ``start``, a multiple of ``size``, in blocks of ``size``."""
    batch, length, heads, head = query.shape
    blocks = -(-length // size)
    near = 2 if pattern.causal else 3
    first = min(pattern.global_tokens, key.shape[1])
    before = 0 if start else size  # what the first block looks back to does not exist

    def spread(x: Tensor) -> Tensor:
        """(batch, keys, …) to (batch, blocks, first + near * size, …): what each block may have to look at."""
        fitted = _fit(x[:, max(0, start - size) :], before, (blocks + near - 1) * size - before)
        parts = [
            fitted[:, n * size : (n + blocks) * size].view(x.shape[0], blocks, size, *x.shape[2:]) for n in range(near)
        ]
        if first:
            parts.insert(0, x[:, None, :first].expand(-1, blocks, *(-1,) * (x.dim() - 1)))
        return torch.cat(parts, dim=2)

    # Key positions from 1, so that what `_fit` pads with is told apart; the global ones are seen once, as global.
    ordinals = torch.arange(1, key.shape[1] + 1, device=key.device)[None]
    key_positions = spread(ordinals)[0] - 1
    key_positions[:, first:].masked_fill_(key_positions[:, first:] < first, -1)
    query_positions = torch.arange(start, start + blocks * size, device=query.device).view(blocks, size)
    mask = pattern.allowed(query_positions, key_positions)[None]
    if padding is not None:
        mask = mask & ~spread(padding)[:, :, None, :]
    mask = mask.expand(batch, -1, -1, -1).flatten(0, 1)[:, None]

    rows = _fit(query, 0, blocks * size).reshape(batch * blocks, size, heads, head)
    mixed = attend_masked(rows, spread(key).flatten(0, 1), spread(value).flatten(0, 1), mask)
    return mixed.reshape(batch, blocks * size, heads, head)[:, :length]


def _fit(x: Tensor, front: int, length: int) -> Tensor:
    """Cut or zero-pad (batch, tokens, …) to ``length`` tokens, after ``front`` zeros."""
    x = x[:, :length]
    return F.pad(x, (0, 0) * (x.dim() - 2) + (front, length - x.shape[1]))
