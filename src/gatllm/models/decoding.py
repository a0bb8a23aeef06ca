"""Decodes a 🤗 causal language model step by step: batched, cached, seeded per row; finished rows leave the batch."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gatllm.errors import GatllmError
from gatllm.models.chat import ChatOptions

if TYPE_CHECKING:
    import torch

TOKENS_AT_ONCE = 1 << 17  # of a padded batch: keys and values of 1.6 GB at half a billion weights


class Decoder:
    """Continues many token rows at once that begin and are waited for together (else see `Engine`).

    What all rows begin with is read once, as are rows that are the same (several answers to one question); the rest
    of them is padded on the left. Row ``i`` draws from its own generator, seeded ``options.seed + i`` (or by
    ``seeds[i]``), so that an answer does not depend on what else is in the batch (up to the rounding of batched
    products).
    """

    def __init__(
        self,
        model: Any,
        rows: Sequence[Sequence[int]],
        options: ChatOptions,
        pad: int,
        seeds: Sequence[int] | None = None,
    ) -> None:
        import torch
        from transformers import DynamicCache

        self._model = model
        self._options = options
        self._device = model.device
        self.rows = list(range(len(rows)))  # the rows still being continued, in batch order
        seeds = seeds if seeds is not None else [options.seed + i for i in self.rows]
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        different = {row: place for place, row in enumerate(dict.fromkeys(map(tuple, rows)))}
        # Of which of the different rows each is a copy, until copies are made behind the first step.
        self._copies = [different[tuple(row)] for row in rows] if len(different) < len(rows) else []
        shared = min(common(rows[0], row) for row in different)
        shared = min(shared, *(len(row) - 1 for row in different))  # each row needs a token of its own to go on from
        self._cache = DynamicCache(config=model.config)
        if shared:
            self._read(rows[0][:shared])
            self._cache.batch_repeat_interleave(len(different))
        rest = [list(row[shared:]) for row in different]
        longest = max(map(len, rest))
        padded = [[pad] * (longest - len(row)) + row for row in rest]
        masks = [[1] * shared + [0] * (longest - len(row)) + [1] * len(row) for row in rest]
        self._next = torch.tensor(padded, device=self._device)  # (batch, tokens)
        self._mask = torch.tensor(masks, device=self._device)  # (batch, tokens so far)

    def _read(self, tokens: Sequence[int]) -> None:
        """Read what all rows share, as one row."""
        import torch

        with torch.inference_mode():
            self._model(
                input_ids=torch.tensor([list(tokens)], device=self._device),
                past_key_values=self._cache, use_cache=True, logits_to_keep=1,
            )  # fmt: skip

    def step(self) -> dict[int, tuple[int, float]]:
        """Return the next token of each row still in the batch, with its log-probability."""
        import torch

        with torch.inference_mode():
            positions = self._mask.cumsum(-1).sub(1).clamp_min(0)[:, -self._next.shape[1] :]
            output = self._model(
                input_ids=self._next,
                attention_mask=self._mask,
                position_ids=positions,
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=1,
            )
            logits = output.logits[:, -1]
            if self._copies:
                places = torch.tensor(self._copies, device=self._device)
                logits, self._mask, self._copies = logits[places], self._mask[places], []
                self._cache.batch_select_indices(places)
            logprobs = logits.float().log_softmax(-1)  # (batch, vocabulary)
            chosen = draw(logprobs, self._options, [self._generators[row] for row in self.rows])  # (batch,)
            scores = logprobs.gather(1, chosen[:, None])[:, 0].tolist()
            self._next = chosen[:, None]
            self._mask = torch.cat([self._mask, self._mask.new_ones(len(self.rows), 1)], 1)
        return dict(zip(self.rows, zip(chosen.tolist(), scores, strict=True), strict=True))

    def drop(self, finished: set[int]) -> None:
        """Take rows out of the batch."""
        import torch

        keep = [place for place, row in enumerate(self.rows) if row not in finished]
        if len(keep) == len(self.rows):
            return
        self.rows = [self.rows[place] for place in keep]
        if keep:
            places = torch.tensor(keep, device=self._device)
            self._next, self._mask = self._next[places], self._mask[places]
            self._cache.batch_select_indices(places)


def draw(logprobs: torch.Tensor, options: ChatOptions, generators: Sequence[torch.Generator]) -> torch.Tensor:
    """Return the next token of each row (rows,), by log-probabilities (rows, vocabulary) and each row's own numbers.

    Raises:
        GatllmError: there are scores that are no numbers.
    """
    import torch

    if options.temperature == 0:
        return logprobs.argmax(-1)
    filtered = filter_logits(logprobs / options.temperature, options.top_k, options.top_p)
    cumulative = filtered.softmax(-1).cumsum(-1).cpu()  # (rows, vocabulary)
    numbers = torch.cat([torch.rand(1, generator=generator) for generator in generators])
    # One number a row and a search for it: `torch.multinomial` draws one for each token of a vocabulary of 150,000.
    whole = cumulative[:, -1:].contiguous()
    if not whole.isfinite().all():
        raise GatllmError("the model's scores are not finite", "its weights are damaged: fetch or train it again")
    found = torch.searchsorted(cumulative, numbers[:, None] * whole, right=True)
    last = torch.searchsorted(cumulative, whole)  # of those that can be drawn: a product may round up to the whole
    return torch.minimum(found, last)[:, 0].to(logprobs.device)


def batches(lengths: Sequence[int], most: int, rows: int = sys.maxsize) -> list[list[int]]:
    """Return the places of rows in batches, like lengths together, of ``most`` padded tokens and ``rows`` at most.

    A row that is longer by itself is a batch of its own.
    """
    found: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        size = len(found[-1]) + 1 if found else 0
        if found and size <= rows and size * lengths[found[-1][0]] <= most:  # its first row is its longest
            found[-1].append(place)
        else:
            found.append([place])
    return found


def common(first: Sequence[int], second: Sequence[int]) -> int:
    """Return how many tokens two rows have in common from their beginnings."""
    for at, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return at
    return min(len(first), len(second))


def filter_logits(logits: torch.Tensor, top_k: int, top_p: float) -> torch.Tensor:
    """Set to -inf what is not among the ``top_k`` best or not in the smallest set with probability ``top_p``.

    Shapes: ``(batch, vocabulary)`` in and out. Nucleus sampling is from Holtzman et al., ICLR 2020.
    """
    if top_k and top_k < logits.shape[-1]:
        least = logits.topk(top_k, dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < least, float("-inf"))
    if top_p < 1:
        ordered, places = logits.sort(dim=-1, descending=True)
        probabilities = ordered.softmax(-1)
        beyond = probabilities.cumsum(-1) - probabilities >= top_p  # the token that crosses the line stays
        logits = logits.masked_fill(beyond.gather(-1, places.argsort(-1)), float("-inf"))
    return logits
