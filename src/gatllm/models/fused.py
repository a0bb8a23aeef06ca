"""The training step's hot spots on a processor, each with its gradient written out.

PyTorch composes RMS norm, rotary positions and squared ReLU of a dozen passes over memory each way, and the backward
pass of its CPU attention takes five times as long as the same sum of matrix products (`dev/LOG.md`, "Where a training
step on a processor goes"). These functions compute the same values in the fewest passes; `tests/models/test_fused.py`
holds them to the plain definitions. Other devices use the plain definitions, which `torch.compile` fuses.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from gatllm.models.pattern import Pattern
from gatllm.models.positions import Rotary

# Above this many scores the score matrix is not kept: the flash kernel's smaller memory wins.
_MOST_SCORES = 1 << 27


def rms_norm(x: Tensor, epsilon: float) -> Tensor:
    """Return x / rms(x) over the last dimension (Zhang & Sennrich 2019), in autocast's type where that is on."""
    autocast = torch.is_autocast_enabled("cpu")
    # Without gradients and on few tokens what counts is the number of calls, not of passes.
    if x.device.type != "cpu" or (not autocast and not torch.is_grad_enabled()):
        if x.dtype == torch.bfloat16 and x.device.type == "cpu":  # composed with five conversions otherwise
            return x * _inverse_rms(x, epsilon).to(x.dtype)
        return F.rms_norm(x, x.shape[-1:], eps=epsilon)
    dtype = torch.get_autocast_dtype("cpu") if autocast else x.dtype
    return _RMSNorm.apply(x, epsilon, dtype)  # type: ignore[no-any-return, no-untyped-call]


def squared_relu(x: Tensor) -> Tensor:
    """Return relu(x)**2 (So et al. 2021)."""
    if x.device.type != "cpu" or not torch.is_grad_enabled():
        return F.relu(x).square()
    return _SquaredReLU.apply(x)  # type: ignore[no-any-return, no-untyped-call]


def dropout(x: Tensor, probability: float, training: bool) -> Tensor:
    """Zero a fraction of ``x`` and scale the rest up; on a processor the fraction is rounded to 1/256."""
    if not training or probability == 0:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, probability)
    return x * _dropout_mask(x, probability)


def fits_short_attention(qkv: Tensor, heads: int, pattern: Pattern) -> bool:
    """Tell whether `short_attention` is the faster way for ``qkv`` (batch, tokens, 3 x width)."""
    if qkv.device.type != "cpu" or not torch.is_grad_enabled() or torch.compiler.is_compiling():
        return False
    batch, tokens, _ = qkv.shape
    return batch * heads * tokens * tokens <= _MOST_SCORES and tokens <= 4 * (pattern.window or tokens)


def short_mask(pattern: Pattern, qkv: Tensor, heads: int, padding: Tensor | None) -> Tensor | None:
    """Return what `short_attention` adds to its scores: the lowest number where ``pattern`` or ``padding`` hides."""
    tokens = qkv.shape[1]
    mask = None if pattern == Pattern() else _pattern_mask(pattern, tokens, qkv.dtype)
    if padding is None:
        return mask
    lowest = torch.finfo(qkv.dtype).min
    hidden = torch.zeros(padding.shape, dtype=qkv.dtype).masked_fill_(padding, lowest)
    hidden = hidden.repeat_interleave(heads, dim=0)[:, None]
    return hidden if mask is None else torch.minimum(hidden, mask)


@lru_cache(maxsize=16)
def _pattern_mask(pattern: Pattern, tokens: int, dtype: torch.dtype) -> Tensor:
    positions = torch.arange(tokens)
    hidden = ~pattern.allowed(positions, positions)
    return torch.zeros(tokens, tokens, dtype=dtype).masked_fill_(hidden, torch.finfo(dtype).min)


def short_attention(
    qkv: Tensor, heads: int, rotary: Rotary | None, epsilon: float | None, mask: Tensor | None
) -> Tensor:
    """Return the attention of a sequence to itself, before the output projection.

    Args:
        qkv: queries, keys and values side by side, (batch, tokens, 3 x width).
        heads: number of heads.
        rotary: rotary tables of the tokens, or None.
        epsilon: of QK-norm, or None where there is none.
        mask: added to the scores, broadcast to (batch x heads, queries, keys), or None.

    Returns:
        (batch, tokens, width).
    """
    cosine = sine = None
    if rotary is not None:
        half = rotary.cosine.shape[-1] // 2
        cosine, sine = rotary.cosine[:, 0, 0, half:], rotary.sine[:, 0, 0, half:]
    return _ShortAttention.apply(qkv, heads, cosine, sine, epsilon, mask)  # type: ignore[no-any-return, no-untyped-call]


def _inverse_rms(x: Tensor, epsilon: float) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    norm = norm if norm.dtype == torch.float64 else norm.float()
    return norm.square().div_(x.shape[-1]).add_(epsilon).rsqrt_()


def _through_norm(grad: Tensor, normed: Tensor, inverse: Tensor) -> Tensor:
    """Return the gradient before x / rms(x), from the one after it, what it returned, and 1 / rms(x)."""
    wide = inverse.dtype
    projection: Tensor = (grad * normed).sum(-1, keepdim=True, dtype=wide).div_(-normed.shape[-1])
    # Operands of two types leave PyTorch's fast path: one conversion more is ten times quicker.
    return torch.addcmul(grad, normed, projection.to(grad.dtype)).to(wide).mul_(inverse)


class _RMSNorm(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, epsilon: float, dtype: torch.dtype) -> Tensor:
        inverse = _inverse_rms(x, epsilon)
        normed = torch.mul(x, inverse, out=torch.empty(x.shape, dtype=dtype))
        ctx.save_for_backward(normed, inverse)
        ctx.dtype = x.dtype
        return normed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        normed, inverse = ctx.saved_tensors
        return _through_norm(grad, normed, inverse).to(ctx.dtype), None, None


class _SquaredReLU(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        rectified = F.relu(x)
        ctx.save_for_backward(rectified)
        return rectified.square()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        rectified: Tensor = ctx.saved_tensors[0]
        return (grad * rectified).mul_(2)


def _dropout_mask(x: Tensor, probability: float) -> Tensor:
    """Return 0 or 1 / (1 - p) for each element: eight draws out of each 64-bit number of torch's generator.

    So p is taken to the next of 256 steps, but where that would be none or all.
    """
    dropped = round(probability * 256)
    if not 0 < dropped < 256:  # a byte is too coarse: with 256 of them nothing would be kept, and with 0 all
        rare: Tensor = torch.rand(x.shape).ge_(probability).to(x.dtype).mul_(1 / (1 - probability))
        return rare
    count = x.numel()
    draws = torch.empty(-(-count // 8), dtype=torch.int64).random_(-(2**63), None)
    kept = draws.view(torch.uint8)[:count] >= dropped
    mask: Tensor = kept.to(x.dtype).mul_(256 / (256 - dropped)).view(x.shape)
    return mask


def _turn(x: Tensor, cosine: Tensor, sine: Tensor, out: Tensor) -> None:
    """Write the rotary turn of ``x`` (…, tokens, head) to ``out``; cosine and sine are (tokens, head / 2)."""
    left, right = x.chunk(2, dim=-1)
    out_left, out_right = out.chunk(2, dim=-1)
    torch.mul(left, cosine, out=out_left).addcmul_(right, sine, value=-1)
    torch.mul(right, cosine, out=out_right).addcmul_(left, sine)


class _ShortAttention(Function):
    """Rotary turn, QK-norm, softmax and mix as plain matrix products, the weights kept for the way back."""

    @staticmethod
    def forward(
        ctx: Any,
        qkv: Tensor,
        heads: int,
        cosine: Tensor | None,
        sine: Tensor | None,
        epsilon: float | None,
        mask: Tensor | None,
    ) -> Tensor:
        batch, tokens, width = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
        head = width // heads
        source = qkv.view(batch, tokens, 3, heads, head).permute(2, 0, 3, 1, 4)
        parts = torch.empty_like(source, memory_format=torch.contiguous_format)  # (3, batch, heads, tokens, head)
        parts[2].copy_(source[2])
        qk, inverse = source[:2], None
        if epsilon is not None:
            inverse = _inverse_rms(qk, epsilon).contiguous()
            qk = torch.mul(qk, inverse, out=torch.empty_like(parts[:2]))
        if cosine is not None and sine is not None:
            cosine, sine = cosine.to(qkv.dtype), sine.to(qkv.dtype)
            _turn(qk, cosine, sine, parts[:2])
        else:
            parts[:2].copy_(qk)
        query, key, value = parts.view(3, batch * heads, tokens, head)
        if mask is None:
            scores = torch.bmm(query, key.transpose(1, 2)).mul_(head**-0.5)
        else:
            scores = torch.baddbmm(mask, query, key.transpose(1, 2), alpha=head**-0.5)
        weights = torch.softmax(scores, dim=-1)
        mixed = torch.bmm(weights, value)
        ctx.save_for_backward(parts, weights, inverse, cosine, sine)
        return mixed.view(batch, heads, tokens, head).transpose(1, 2).reshape(batch, tokens, width)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        parts, weights, inverse, cosine, sine = ctx.saved_tensors
        _, batch, heads, tokens, head = parts.shape
        query, key, value = parts.view(3, batch * heads, tokens, head)
        grad = grad.view(batch, tokens, heads, head).transpose(1, 2).reshape(batch * heads, tokens, head)
        grads = torch.empty_like(parts[:2])  # of queries and keys
        flat = grads.view(2, batch * heads, tokens, head)
        to_weights = torch.bmm(grad, value.transpose(1, 2))
        to_scores = torch._softmax_backward_data(to_weights, weights, -1, weights.dtype).mul_(head**-0.5)
        torch.bmm(to_scores, key, out=flat[0])
        torch.bmm(to_scores.transpose(1, 2), query, out=flat[1])
        to_value = torch.bmm(weights.transpose(1, 2), grad)
        if inverse is not None:
            grads = _through_norm(grads, parts[:2], inverse).to(parts.dtype)
        out = torch.empty(batch, tokens, 3, heads, head, dtype=parts.dtype)
        target = out.permute(2, 0, 3, 1, 4)
        if cosine is not None:
            _turn(grads, cosine, -sine, target[:2])
        else:
            target[:2].copy_(grads)
        target[2].copy_(to_value.view(batch, heads, tokens, head))
        return out.view(batch, tokens, 3 * heads * head), None, None, None, None, None
