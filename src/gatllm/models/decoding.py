"""Decodes a 🤗 causal language model step by step: batched, cached, seeded per row; finished rows leave the batch."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gatllm.models.chat import ChatOptions
from gatllm.models.lookup import Lookup

if TYPE_CHECKING:
    import torch


_WORTH = 8  # shared tokens from which on taking over keys and values costs less than reading again


@dataclass(frozen=True, slots=True)
class Prefix:
    """Tokens that a model has read, and their keys and values: what begins with them needs no second reading."""

    tokens: list[int]
    cache: Any = field(repr=False)


class Decoder:
    """Continues several token rows at once.

    What all rows begin with is read once, and what ``known`` holds of it not at all; the decoder then owns ``known``.
    The rest of the rows is padded on the left. Row ``i`` draws from its own generator, seeded ``options.seed + i``, so
    that an answer does not depend on what else is in the batch (up to the rounding of batched products).

    ``ahead``: how many tokens a step may read along with the next one, where they occurred before in the text (see
    `Lookup`); for a greedy row on its own. It pays where a step costs about the same for all of them.
    """

    def __init__(
        self,
        model: Any,
        rows: Sequence[Sequence[int]],
        options: ChatOptions,
        pad: int,
        known: Prefix | None = None,
        *,
        ahead: int = 0,
    ) -> None:
        import torch

        self._model = model
        self._options = options
        self._device = model.device
        self.rows = list(range(len(rows)))  # the rows still being continued, in batch order
        self._generators = [torch.Generator().manual_seed(options.seed + i) for i in self.rows]
        self._shared: Prefix | None = None
        shared = min(common(rows[0], row) for row in rows)
        shared = min(shared, *(len(row) - 1 for row in rows))  # each row needs a token of its own to go on from
        self._cache, read = self._begin(rows[0][:shared], known)
        self._read = list(rows[0])
        if len(rows) > 1:
            if shared > read:
                self._read_on(rows[0][read:shared], read)
            read = shared
            self._read = list(rows[0][:shared])
            self._shared = Prefix(self._read, copy.deepcopy(self._cache)) if shared >= _WORTH else None
            self._cache.batch_repeat_interleave(len(rows))
        rest = [list(row[read:]) for row in rows]
        longest = max(map(len, rest))
        padded = [[pad] * (longest - len(row)) + row for row in rest]
        masks = [[1] * read + [0] * (longest - len(row)) + [1] * len(row) for row in rest]
        self._alone = len(rows) == 1
        self._next = torch.tensor(padded, device=self._device)  # (batch, tokens)
        self._mask = torch.tensor(masks, device=self._device)  # (batch, tokens so far)
        self._written: deque[tuple[int, float]] = deque()  # of a row alone: written by the last step, not yet returned
        self._ahead = ahead if self._alone and options.temperature == 0 else 0
        self._lookup = Lookup(rows[0]) if self._ahead else None

    def _begin(self, wanted: Sequence[int], known: Prefix | None) -> tuple[Any, int]:
        """Return a cache and how many of the tokens ``wanted`` it holds already."""
        from transformers import DynamicCache

        same = common(known.tokens, wanted) if known is not None else 0
        if known is None or same < _WORTH or not _is_plain(known.cache):
            return DynamicCache(config=self._model.config), 0
        if (extra := known.cache.get_seq_length() - same) > 0:
            known.cache.crop(-extra)
        return known.cache, same

    def _read_on(self, tokens: Sequence[int], begin: int) -> None:
        """Read what all rows share, as one row."""
        import torch

        with torch.inference_mode():
            positions = torch.arange(begin, begin + len(tokens), device=self._device)[None]
            self._model(
                input_ids=torch.tensor([list(tokens)], device=self._device), position_ids=positions,
                past_key_values=self._cache, use_cache=True, logits_to_keep=1,
            )  # fmt: skip

    def known(self) -> Prefix | None:
        """Return what was read, for the next decoder: of one row all, of several what they share."""
        if not self._alone:
            return self._shared
        held = int(self._cache.get_seq_length())
        if (extra := held - len(self._read)) > 0:  # read ahead, and never returned
            self._cache.crop(-extra)
            held -= extra
        return Prefix(self._read[:held], self._cache) if held >= _WORTH else None

    def step(self) -> dict[int, tuple[int, float]]:
        """Return the next token of each row still in the batch, with its log-probability."""
        import torch

        with torch.inference_mode():
            if not self._alone:
                logprobs = self._forward(self._next, 1)[:, -1]  # (batch, vocabulary)
                chosen = self._choose(logprobs)  # (batch,)
                scores = logprobs.gather(1, chosen[:, None])[:, 0].tolist()
                self._go_on(chosen[:, None])
                return dict(zip(self.rows, zip(chosen.tolist(), scores, strict=True), strict=True))
            if not self._written:
                self._write()
        token, score = self._written.popleft()
        self._read.append(token)
        return {self.rows[0]: (token, score)}

    def _write(self) -> None:
        """Read the next token of the row alone, and what may follow it; keep the tokens that come of it."""
        import torch

        guessed = self._guess()
        also = torch.tensor([guessed], dtype=self._next.dtype, device=self._device)
        logprobs = self._forward(torch.cat([self._next, also], 1), len(guessed) + 1)[0]  # (guessed + 1, vocabulary)
        chosen = self._choose(logprobs)  # (guessed + 1,); more than one where it is the likeliest
        right = common(guessed, chosen.tolist())
        if (wrong := len(guessed) - right) > 0:
            self._cache.crop(-wrong)
            self._mask = self._mask[:, :-wrong]
        chosen = chosen[: right + 1]
        scores = logprobs[: right + 1].gather(1, chosen[:, None])[:, 0].tolist()
        self._go_on(chosen[None, -1:])
        self._written.extend(zip(chosen.tolist(), scores, strict=True))
        if self._lookup is not None:
            self._lookup.extend(chosen.tolist())

    def _guess(self) -> list[int]:
        """Return what may follow the next token; nothing before the text was read, or where it can't be taken back."""
        if self._lookup is None or self._next.shape[1] > 1 or not _is_plain(self._cache):
            return []
        places = getattr(self._model.config, "max_position_embeddings", None) or self._mask.shape[1] + self._ahead
        return self._lookup.following(min(self._ahead, places - self._mask.shape[1]))

    def _forward(self, tokens: torch.Tensor, keep: int) -> torch.Tensor:
        """Read tokens (batch, tokens); return log-probabilities (batch, ``keep``, vocabulary) of what follows."""
        import torch

        if (more := tokens.shape[1] - self._next.shape[1]) > 0:
            self._mask = torch.cat([self._mask, self._mask.new_ones(len(self.rows), more)], 1)
        positions = self._mask.cumsum(-1).sub(1).clamp_min(0)[:, -tokens.shape[1] :]
        output = self._model(
            input_ids=tokens,
            attention_mask=self._mask,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=keep,
        )
        logits: torch.Tensor = output.logits[:, -keep:]
        return logits.float().log_softmax(-1)

    def _go_on(self, tokens: torch.Tensor) -> None:
        """Let the next step read tokens (batch, 1)."""
        import torch

        self._next = tokens
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(self.rows), 1)], 1)

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


def common(first: Sequence[int], second: Sequence[int]) -> int:
    """Return how many tokens two rows have in common from their beginnings."""
    for at, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return at
    return min(len(first), len(second))


def _is_plain(cache: Any) -> bool:
    """Tell whether every layer keeps all tokens, so that the last ones can be taken off again."""
    return all(type(layer).__name__ == "DynamicLayer" for layer in cache.layers)


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
