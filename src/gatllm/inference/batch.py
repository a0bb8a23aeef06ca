"""Texts that grow together: one cache, a row for each text, rows of different lengths."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gatllm.models import GPT, Seq2Seq
from gatllm.models.cache import Cache


class Prefix:
    """What a conversation has already been read: the next prompt that begins the same way starts there."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.cache: Cache | None = None
        self.reused = 0

    def take(self, prompt: Sequence[int]) -> Cache | None:
        """Return the cache of the longest common beginning, one token short of ``prompt`` at most; or None."""
        cache, self.cache, self.reused = self.cache, None, 0
        common = 0
        for old, new in zip(self.tokens, prompt[:-1], strict=False):
            if old != new:
                break
            common += 1
        if cache is None or not common or not cache.truncate(common):
            return None
        self.reused = common
        return cache

    def keep(self, tokens: Sequence[int], cache: Cache) -> None:
        """Remember ``cache``, which holds ``tokens``."""
        self.tokens, self.cache = list(tokens), cache


class GrowingTexts:
    """The rows of one batch; logits are (rows, vocabulary), of each row's next token.

    Args:
        model: a GPT or an encoder-decoder.
        rows: the tokens that each row begins with (of an encoder-decoder: that each target begins with).
        room: most tokens of a row.
        sources: for an encoder-decoder, the source of each row.
        pad: id that fills up shorter sources and rows.
        prefix: what earlier turns left, for a single row.
    """

    def __init__(
        self,
        model: GPT | Seq2Seq,
        rows: Sequence[Sequence[int]],
        room: int,
        *,
        sources: Sequence[Sequence[int]] | None = None,
        pad: int = 0,
        prefix: Prefix | None = None,
    ) -> None:
        self.model, self.room, self.pad = model, room, pad
        self.texts = [list(row) for row in rows]
        self.device = next(model.parameters()).device
        reused = prefix.take(self.texts[0]) if prefix is not None else None
        if reused is not None:
            self.cache = reused
        elif isinstance(model, Seq2Seq):
            source, padding = self._square(sources or [])
            self.cache = model.new_cache(source, padding, room)
        else:
            self.cache = model.new_cache(len(rows), room)
        self.logits = self._read([text[length:] for text, length in zip(self.texts, self.cache.lengths, strict=True)])

    def _square(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor | None]:
        """Return rows padded on the right (rows, tokens), and where padding is, or None where there is none."""
        counts = [len(row) for row in rows]
        longest = max(counts)
        padded = [[*row, *[self.pad] * (longest - len(row))] for row in rows]
        square = torch.tensor(padded, device=self.device)
        if min(counts) == longest:
            return square, None
        return square, torch.arange(longest, device=self.device) >= torch.tensor(counts, device=self.device)[:, None]

    def _read(self, new: Sequence[Sequence[int]]) -> Tensor:
        counts = [len(row) for row in new]
        tokens, padding = self._square(new)
        states = self.model.extend(tokens, self.cache, None if padding is None else counts)
        last = states[:, -1] if padding is None else states[range(len(counts)), [count - 1 for count in counts]]
        return self.model.logits(last).float()

    def repeat(self, times: int) -> None:
        """Make ``times`` rows of each."""
        self.select([row for row in range(len(self.texts)) for _ in range(times)])

    def select(self, rows: Sequence[int]) -> None:
        """Keep ``rows``, in that order."""
        if list(rows) == list(range(len(self.texts))):
            return
        self.cache.select(rows)
        self.logits = self.logits[torch.tensor(rows, device=self.device)]
        self.texts = [list(self.texts[row]) for row in rows]

    def add(self, tokens: Tensor) -> None:
        """Let each row grow by one of ``tokens`` (rows,)."""
        for text, token in zip(self.texts, tokens.tolist(), strict=True):
            text.append(token)
        states = self.model.extend(tokens[:, None], self.cache)
        self.logits = self.model.logits(states[:, -1]).float()

    def is_full(self, row: int) -> bool:
        """Tell whether ``row`` has no room for one more token."""
        return self.cache.lengths[row] >= self.room

    def forget(self, tokens: Tensor, keep: int) -> None:
        """As `add`, but rows that are full go on from their last ``keep`` tokens alone, read anew.

        Positions start again at 0 for them, so that no position is ever beyond what the model has learnt.
        """
        for row, token in enumerate(tokens.tolist()):
            self.texts[row].append(token)
            if self.is_full(row):
                self.texts[row] = self.texts[row][-keep:]
        self.cache = self.model.new_cache(len(self.texts), self.room)  # type: ignore[call-arg, arg-type]
        self.logits = self._read(self.texts)
