"""How order is told: learned or sinusoidal vectors added to the embeddings, or rotary tables for queries and keys."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Rotary(NamedTuple):
    """Cosine and sine of the rotary angles, each (tokens, 1, 1, head) or (batch, tokens, 1, 1, head).

    Both hold each angle twice, as ``rotate`` wants them: (cos, cos) and (-sin, sin).
    """

    cosine: Tensor
    sine: Tensor

    def at(self, positions: Tensor) -> Rotary:
        """Return the tables at ``positions`` (…,), shaped (…, 1, 1, head)."""
        return Rotary(self.cosine[positions], self.sine[positions])

    def between(self, start: int, stop: int) -> Rotary:
        """Return the tables of positions ``start`` to ``stop`` as views."""
        return Rotary(self.cosine[start:stop], self.sine[start:stop])


def rotary_tables(tokens: int, head: int, base: float) -> Rotary:
    """Return the tables of rotary position embedding (Su et al. 2021), in the half-split layout of GPT-NeoX."""
    # Computed in float64: at position 16k a float32 angle is already off by 1e-3.
    frequencies = base ** (-torch.arange(0, head, 2, dtype=torch.float64) / head)
    angles = torch.arange(tokens, dtype=torch.float64)[:, None, None, None] * frequencies
    cosine, sine = angles.cos().float(), angles.sin().float()
    return Rotary(torch.cat([cosine, cosine], dim=-1), torch.cat([-sine, sine], dim=-1))


def rotate(x: Tensor, rotary: Rotary) -> Tensor:
    """Turn each pair (x[i], x[i + head / 2]) of (batch, tokens, parts, heads, head) by its position's angle."""
    cosine, sine = rotary.cosine.to(x.dtype), rotary.sine.to(x.dtype)
    return torch.addcmul(x * cosine, x.roll(x.shape[-1] // 2, -1), sine)


def sinusoids(tokens: int, width: int) -> Tensor:
    """Return the position vectors of "Attention Is All You Need", (tokens, width): sines first, then cosines."""
    half = (width + 1) // 2
    frequencies = torch.exp(torch.arange(half, dtype=torch.float64) * (-math.log(10_000.0) * 2 / width))
    angles = torch.arange(tokens, dtype=torch.float64)[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width].float()


class AddedPositions(nn.Module):
    """Adds learned or sinusoidal position vectors to embeddings."""

    def __init__(self, kind: str, tokens: int, width: int) -> None:
        super().__init__()
        self.weight: Tensor
        if kind == "learned":
            self.weight = nn.Parameter(torch.empty(tokens, width))
        else:
            self.register_buffer("weight", sinusoids(tokens, width), persistent=False)

    def forward(self, x: Tensor, positions: Tensor | None = None) -> Tensor:
        """Return ``x`` (batch, tokens, width) plus the vectors of ``positions`` (batch, tokens; default 0, 1 …)."""
        return x + (self.weight[: x.shape[1]] if positions is None else self.weight[positions])
