"""Decodes a 🤗 causal language model step by step: batched, cached, seeded per row; finished rows leave the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gatllm.models.chat import ChatOptions

if TYPE_CHECKING:
    import torch


class Decoder:
    """Continues several token rows at once.

    Rows are padded on the left. Row ``i`` draws from its own generator, seeded ``options.seed + i``, so that an answer
    does not depend on what else is in the batch (up to the rounding of batched products).
    """

    def __init__(self, model: Any, rows: Sequence[Sequence[int]], options: ChatOptions, pad: int) -> None:
        import torch
        from transformers import DynamicCache

        self._model = model
        self._options = options
        self._device = model.device
        self.rows = list(range(len(rows)))  # the rows still being continued, in batch order
        self._generators = [torch.Generator().manual_seed(options.seed + i) for i in self.rows]
        longest = max(map(len, rows))
        padded = [[pad] * (longest - len(row)) + list(row) for row in rows]
        masks = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
        self._next = torch.tensor(padded, device=self._device)  # (batch, tokens)
        self._mask = torch.tensor(masks, device=self._device)  # (batch, tokens so far)
        self._cache = DynamicCache(config=model.config)

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
            logprobs = output.logits[:, -1].float().log_softmax(-1)  # (batch, vocabulary)
            chosen = self._choose(logprobs)  # (batch,)
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

    def _choose(self, logprobs: torch.Tensor) -> torch.Tensor:
        import torch

        if self._options.temperature == 0:
            return logprobs.argmax(-1)
        filtered = filter_logits(logprobs / self._options.temperature, self._options.top_k, self._options.top_p)
        probabilities = filtered.softmax(-1).cpu()
        drawn = [
            torch.multinomial(row_probabilities, 1, generator=self._generators[row])
            for row, row_probabilities in zip(self.rows, probabilities, strict=True)
        ]
        return torch.cat(drawn).to(self._device)


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
