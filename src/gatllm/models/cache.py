"""Keys and values kept while a text grows: everything, or a ring of the window plus the global tokens."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gatllm.models.attention import attend, attend_masked
from gatllm.models.pattern import Pattern
from gatllm.models.positions import Rotary


class Step:
    """New tokens that join a cache: where they stand, row by row.

    Attributes:
        starts: position of each row's first new token.
        counts: number of real new tokens of each row; the rest of the row is padding.
        fresh: all rows were empty.
        uniform: all rows start at the same position and none is padded.
    """

    def __init__(self, starts: Sequence[int], counts: Sequence[int], tokens: int, device: torch.device) -> None:
        self.starts, self.counts, self.tokens, self.device = list(starts), list(counts), tokens, device
        self.fresh = not any(self.starts)
        self.uniform = len(set(self.starts)) == 1 and all(count == tokens for count in self.counts)
        self.used = max(self.starts) + tokens
        self._masks: dict[object, Tensor | None] = {}
        self._positions: Tensor | None = None
        self._real: Tensor | None = None

    @property
    def positions(self) -> Tensor:
        """(batch, tokens), where each token stands; padding: where a token would stand."""
        if self._positions is None:
            if self.uniform:
                span = torch.arange(self.starts[0], self.used, device=self.device)
                self._positions = span.expand(len(self.starts), self.tokens)
            else:
                first = torch.tensor(self.starts, device=self.device)
                self._positions = first[:, None] + torch.arange(self.tokens, device=self.device)
        return self._positions

    @property
    def real(self) -> Tensor:
        """(batch, tokens), true where a token is not padding."""
        if self._real is None:
            counts = torch.tensor(self.counts, device=self.device)
            self._real = torch.arange(self.tokens, device=self.device) < counts[:, None]
        return self._real

    def rotary(self, tables: Rotary) -> Rotary:
        """Return the rotary tables of the new tokens."""
        return tables.between(self.starts[0], self.used) if self.uniform else tables.at(self.positions)

    def mask(self, pattern: Pattern, keys: Tensor | None = None) -> Tensor | None:
        """Return who sees whom among ``keys``, (batch or 1, 1, tokens, keys), or None where all is seen.

        Computed once for all layers of one pattern. ``keys`` are positions (batch, keys), negative where there is
        none; by default 0 to the last one used.
        """
        name = (pattern, keys is None)
        if name not in self._masks:
            self._masks[name] = self._mask(pattern, keys)
        return self._masks[name]

    def _mask(self, pattern: Pattern, keys: Tensor | None) -> Tensor | None:
        if keys is None:
            if self.uniform and self.tokens == 1 and pattern.window is None:
                return None
            keys = torch.arange(self.used, device=self.device)
        same = self.uniform and keys.dim() == 1
        return pattern.allowed(self.positions[:1] if same else self.positions, keys)[:, None]


class LayerCache:
    """Keys and values of one layer for all positions, each (batch, heads, capacity, head)."""

    def __init__(self, pattern: Pattern, shape: tuple[int, int, int, int], like: Tensor) -> None:
        self.pattern, self.capacity = pattern, shape[2]
        self.keys = like.new_zeros(*shape[:2], self.slots(), shape[3])
        self.values = torch.zeros_like(self.keys)

    def slots(self) -> int:
        """Return the number of slots of a row; the last one takes what falls off the end, padding."""
        return self.capacity + 1

    def extend(self, query: Tensor, key: Tensor, value: Tensor, step: Step) -> Tensor:
        """Store the new keys and values and return what the queries read; all (batch, tokens, heads, head)."""
        if step.uniform:
            first = step.starts[0]
            self.keys[:, :, first : step.used] = key.transpose(1, 2)
            self.values[:, :, first : step.used] = value.transpose(1, 2)
        else:
            # Padding is stored too: it lies behind each row's end, where nobody looks, until it is overwritten.
            slots = step.positions.clamp_max(self.capacity)
            rows = torch.arange(len(step.starts), device=key.device)[:, None]
            self.keys[rows, :, slots], self.values[rows, :, slots] = key, value
        if step.fresh:
            return attend(query, key, value, self.pattern)
        mask = step.mask(self.pattern)
        used = min(step.used, self.capacity)
        if mask is not None:
            mask = mask[..., :used]
        return _read(query, self.keys[:, :, :used], self.values[:, :, :used], mask)

    def can_truncate(self, _length: int, _kept: int) -> bool:
        """Tell whether the last ``length`` tokens can be cut down to the first ``kept``."""
        return True

    def select(self, rows: Tensor) -> None:
        """Keep ``rows`` (rows,) of the batch, in that order; a row may come several times."""
        self.keys, self.values = self.keys[rows], self.values[rows]


class RingCache(LayerCache):
    """Keys and values that a window can still see: the global tokens, then the last ``window`` positions in a ring."""

    def __init__(self, pattern: Pattern, shape: tuple[int, int, int, int], like: Tensor) -> None:
        self.first, self.ring = pattern.global_tokens, pattern.window or 1
        super().__init__(pattern, shape, like)

    def slots(self) -> int:
        """Return how many tokens a row has room for."""
        return self.first + self.ring

    def held(self, lengths: Sequence[int]) -> Tensor:
        """Return the position that each slot holds (batch, slots) after rows of these lengths; -1: none."""
        device = self.keys.device
        length = torch.tensor(lengths, device=device)[:, None]
        slots = torch.arange(self.first + self.ring, device=device)[None]
        newest = length - 1 - self.first  # counted from the first token of the ring
        in_ring = self.first + newest - (newest - (slots - self.first)) % self.ring
        held = torch.where(slots < self.first, slots, torch.where(newest >= 0, in_ring, -1))
        return torch.where((held < length) & (held >= torch.where(slots < self.first, 0, self.first)), held, -1)

    def extend(self, query: Tensor, key: Tensor, value: Tensor, step: Step) -> Tensor:
        """Store the new keys and values and return what the queries read; all (batch, tokens, heads, head)."""
        if step.tokens == 1:
            return self._extend_by_one(query, key, value, step)
        if step.fresh:
            mixed = attend(query, key, value, self.pattern)
        else:  # what the new tokens push out of the ring is still seen by the first of them
            new = torch.where(step.real, step.positions, -1)
            mask = step.mask(self.pattern, torch.cat([self.held(step.starts), new], dim=1))
            keys = torch.cat([self.keys, key.transpose(1, 2)], dim=2)
            mixed = _read(query, keys, torch.cat([self.values, value.transpose(1, 2)], dim=2), mask)
        starts = torch.tensor(step.starts, device=key.device)[:, None]
        ends = [start + count for start, count in zip(step.starts, step.counts, strict=True)]
        source = self.held(ends) - starts  # (batch, slots): which new token each slot takes, if any
        for store, new in ((self.keys, key), (self.values, value)):
            taken = new.transpose(1, 2).gather(
                2, source.clamp_min(0)[:, None, :, None].expand(-1, new.shape[2], -1, new.shape[3])
            )
            store.copy_(torch.where((source >= 0)[:, None, :, None], taken, store))
        return mixed

    def _extend_by_one(self, query: Tensor, key: Tensor, value: Tensor, step: Step) -> Tensor:
        if step.uniform:
            slot = self._slot(step.starts[0])
            self.keys[:, :, slot], self.values[:, :, slot] = key[:, 0], value[:, 0]
            full = step.used >= self.first + self.ring
            mask = None if full else step.mask(self.pattern, self.held([step.used] * len(step.starts)))
        else:
            slots = torch.tensor([self._slot(start) for start in step.starts], device=key.device)
            rows = torch.arange(len(step.starts), device=key.device)
            self.keys[rows, :, slots], self.values[rows, :, slots] = key[:, 0], value[:, 0]
            mask = step.mask(self.pattern, self.held([start + 1 for start in step.starts]))
        return _read(query, self.keys, self.values, mask)

    def _slot(self, position: int) -> int:
        return position if position < self.first else self.first + (position - self.first) % self.ring

    def can_truncate(self, length: int, kept: int) -> bool:
        """Tell whether the last ``length`` tokens can be cut down to the first ``kept``: nothing may have been lost."""
        return kept == length or length <= self.first + self.ring


class CrossCache:
    """Keys and values of an encoded source for one layer, each (batch, heads, source tokens, head)."""

    def __init__(self, pattern: Pattern, keys: Tensor, values: Tensor) -> None:
        self.pattern = pattern
        self.keys, self.values = keys.transpose(1, 2).contiguous(), values.transpose(1, 2).contiguous()

    def read(self, query: Tensor, padding: Tensor | None, step: Step) -> Tensor:
        """Return what the queries (batch, tokens, heads, head) read in the source."""
        mask = None if padding is None else ~padding[:, None, None, :]
        if self.pattern.window is not None:
            seen = step.mask(self.pattern, torch.arange(self.keys.shape[2], device=query.device))
            mask = seen if mask is None or seen is None else mask & seen
        return _read(query, self.keys, self.values, mask)

    def select(self, rows: Tensor) -> None:
        """Keep ``rows`` (rows,) of the batch, in that order; a row may come several times."""
        self.keys, self.values = self.keys[rows], self.values[rows]


class Cache:
    """What a decoder remembers of a batch of texts of different lengths.

    Attributes:
        lengths: number of tokens of each row.
        layers: keys and values of each block's self-attention.
        cross: the same of the encoded source, for an encoder-decoder.
        padding: (batch, source tokens), true where the source is padding, or None.
    """

    def __init__(
        self,
        layers: Sequence[LayerCache],
        batch: int,
        capacity: int,
        cross: Sequence[CrossCache] = (),
        padding: Tensor | None = None,
    ) -> None:
        self.lengths = [0] * batch
        self.capacity = capacity
        self.layers, self.cross, self.padding = list(layers), list(cross), padding

    def step(self, tokens: int, counts: Sequence[int] | None, device: torch.device) -> Step:
        """Return where ``tokens`` new ones stand, of which each row's first ``counts`` are real (default: all)."""
        return Step(self.lengths, counts or [tokens] * len(self.lengths), tokens, device)

    def grow(self, step: Step) -> None:
        """Take note that the tokens of ``step`` were stored."""
        self.lengths = [length + count for length, count in zip(self.lengths, step.counts, strict=True)]

    def select(self, rows: Sequence[int]) -> None:
        """Keep ``rows`` of the batch, in that order; a row may come several times."""
        index = torch.tensor(rows, device=self.layers[0].keys.device)
        for layer in self.layers:
            layer.select(index)
        for source in self.cross:
            source.select(index)
        self.padding = None if self.padding is None else self.padding[index]
        self.lengths = [self.lengths[row] for row in rows]

    def truncate(self, length: int) -> bool:
        """Cut every row down to its first ``length`` tokens; false (and nothing done) if a window has lost some."""
        if not all(layer.can_truncate(old, length) for layer in self.layers for old in self.lengths):
            return False
        self.lengths = [min(old, length) for old in self.lengths]
        return True


def _read(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    return attend_masked(query, keys.transpose(1, 2), values.transpose(1, 2), mask)
