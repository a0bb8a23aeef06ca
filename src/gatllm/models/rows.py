"""Reads the new tokens of many texts in one step, each text with keys and values of its own.

All maps of a model work on each token by itself, but for attention: so the new tokens of all rows stand one behind the
other in a single sequence, and only attention looks at each row's own past (the selective batching of Yu et al.,
"Orca", OSDI 2022). Rows need no padding, and joining or leaving moves nothing. Above all, a row is computed by the same
products as it would be alone: where weights have eight bits, whose sums are exact, to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_NAME = "gatllm_rows"  # of the attention among those of 🤗 Transformers
_FIRST_ROOM, _MORE_ROOM = 128, 1024  # tokens: room doubles at first, then grows by so many
# New tokens of a row, up to which each is attended to by itself. A step that reads ahead must give the very numbers
# that a step for each token would have given.
_FEW = 8
_UNKNOWN = ("softcap", "s_aux", "position_bias", "sliding_window")  # what changes attention in a way unknown here


class RowCache:
    """Keys and values of one text; layer by layer (1, heads, room, head), of which the first ``length`` are filled.

    ``length`` changes when a step is over, so that one which fails or is interrupted leaves nothing behind.
    """

    def __init__(self) -> None:
        self.length = 0
        self._layers: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def extend(self, layer: int, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Add keys and values (1, heads, tokens, head) to a layer; return all of it (1, heads, tokens so far, head)."""
        end = self.length + key.shape[2]
        room = self._layers[layer][0].shape[2] if layer in self._layers else 0
        if end > room:
            more = max(end, min(2 * room, room + _MORE_ROOM), _FIRST_ROOM)
            self._layers[layer] = (self._roomier(layer, 0, key, more), self._roomier(layer, 1, value, more))
        keys, values = self._layers[layer]
        keys[:, :, self.length : end], values[:, :, self.length : end] = key, value
        return keys[:, :, :end], values[:, :, :end]

    def _roomier(self, layer: int, at: int, like: torch.Tensor, room: int) -> torch.Tensor:
        made = like.new_empty(1, like.shape[1], room, like.shape[3])
        if layer in self._layers:
            made[:, :, : self.length] = self._layers[layer][at][:, :, : self.length]
        return made

    def crop(self, length: int) -> None:
        """Forget all but the first ``length`` tokens."""
        self.length = min(self.length, length)

    def copy(self, length: int) -> RowCache:
        """Return a cache of its own with the first ``length`` tokens."""
        made = RowCache()
        made.length = min(self.length, length)
        made._layers = {
            layer: (keys[:, :, : made.length].clone(), values[:, :, : made.length].clone())
            for layer, (keys, values) in self._layers.items()
        }
        return made


class LibraryCache:
    """Keys and values of one text as 🤗 Transformers keeps them, for models whose attention is not plain."""

    def __init__(self, config: Any) -> None:
        from transformers import DynamicCache

        self.inner = DynamicCache(config=config)
        self.length = 0

    @property
    def is_plain(self) -> bool:
        """Whether every layer keeps all tokens, so that the last ones can be taken off again."""
        return all(type(layer).__name__ == "DynamicLayer" for layer in self.inner.layers)

    def crop(self, length: int) -> None:
        """Forget all but the first ``length`` tokens."""
        self.length = min(self.length, length)
        if (extra := int(self.inner.get_seq_length()) - self.length) > 0:
            self.inner.crop(-extra)

    def copy(self, length: int) -> LibraryCache | None:
        """Return a cache of its own with the first ``length`` tokens; None where a layer has lost some."""
        import copy

        if not self.is_plain:
            return None
        made = copy.deepcopy(self)
        made.crop(length)
        return made


class RowReader:
    """Reads with a 🤗 causal language model; several texts in one step, where its attention allows that."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.together = _can_share(model)
        self._before = getattr(model.config, "_attn_implementation", None)
        if self.together:
            _register()
            model.set_attn_implementation(_NAME)

    def separate(self) -> None:
        """Read each text by itself from now on."""
        self.together = False
        self.model.set_attn_implementation(self._before)

    def new_cache(self) -> RowCache | LibraryCache:
        """Return an empty cache for one text."""
        return RowCache() if self.together else LibraryCache(self.model.config)

    def can_crop(self, cache: RowCache | LibraryCache) -> bool:
        """Tell whether the last tokens of a cache can be taken off again."""
        return isinstance(cache, RowCache) or cache.is_plain

    def read(self, work: Sequence[tuple[RowCache | LibraryCache, Sequence[int], int]]) -> list[torch.Tensor]:
        """Read further tokens of texts (of one, where they can't be read `together`).

        Args:
            work: of each text its cache, the tokens, and after how many of the last ones to look.

        Returns:
            For each text the log-probabilities (wanted, vocabulary) of what follows its last tokens.

        Raises:
            NotImplementedError: this model attends in a way that is not known here; see `separate`.
        """
        import torch

        with torch.inference_mode():
            found = self._step(list(work))
        for cache, tokens, _ in work:
            cache.length += len(tokens)
        return found

    def _step(self, work: list[tuple[Any, Sequence[int], int]]) -> list[torch.Tensor]:
        import torch

        device = self.model.device
        ends = 0
        wanted: list[int] = []
        for _, tokens, count in work:
            ends += len(tokens)
            wanted += range(ends - count, ends)
        positions = [place for cache, tokens, _ in work for place in range(cache.length, cache.length + len(tokens))]
        rows = [(cache, len(tokens)) for cache, tokens, _ in work]
        more = {"rows": rows, "use_cache": False} if self.together else {"past_key_values": rows[0][0].inner}
        output = self.model(
            input_ids=torch.tensor([[token for _, tokens, _ in work for token in tokens]], device=device),
            position_ids=torch.tensor([positions], device=device),
            logits_to_keep=torch.tensor(wanted or [0], device=device),
            **more,
        )
        logprobs = output.logits[0].float().log_softmax(-1)
        return list(logprobs[: len(wanted)].split([count for _, _, count in work]))


def _can_share(model: Any) -> bool:
    from transformers import DynamicCache

    layers = DynamicCache(config=model.config).layers
    plain = all(type(layer).__name__ == "DynamicLayer" for layer in layers)
    softcap = getattr(model.config, "attn_logit_softcapping", None)
    return bool(getattr(type(model), "_supports_attention_backend", False)) and plain and softcap is None


def _register() -> None:
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(_NAME, _attention)
    AttentionMaskInterface.register(_NAME, sdpa_mask)  # for all other uses of the model


def _attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    rows: Sequence[tuple[RowCache, int]] | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """Attend row by row; all (1, heads, tokens, head). Without ``rows``: as 🤗 Transformers does."""
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if rows is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **more)  # type: ignore[no-any-return]
    if unknown := [name for name in _UNKNOWN if more.get(name) is not None]:
        raise NotImplementedError(f"attention with {', '.join(unknown)}")
    first, mixed = 0, []
    for cache, count in rows:
        own = slice(first, first + count)
        keys, values = cache.extend(module.layer_idx, key[:, :, own], value[:, :, own])
        mixed.append(_attend(query[:, :, own], keys, values, more.get("scaling")))
        first += count
    return torch.cat(mixed, 2).transpose(1, 2).contiguous(), None


def _attend(query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, scale: float | None) -> torch.Tensor:
    """Let the last tokens of a text look at all before them and themselves; all (1, heads, tokens, head)."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    _, heads, count, width = query.shape
    few, each = keys.shape[1], heads // keys.shape[1]
    past = keys.shape[2] - count
    if count == 1:  # queries that share their keys stand where the tokens of a text would: nothing is copied
        mixed = scaled_dot_product_attention(query.reshape(1, few, each, width), keys, values, scale=scale)
        return mixed.reshape(1, heads, 1, width)
    if past and count <= _FEW:
        parts = []
        for at in range(count):
            end = past + at + 1
            parts.append(_attend(query[:, :, at : at + 1], keys[:, :, :end], values[:, :, :end], scale))
        return torch.cat(parts, 2)
    keys, values = (each_of.repeat_interleave(each, 1) if each > 1 else each_of for each_of in (keys, values))
    seen = None
    if past:
        seen = torch.ones(count, past + count, dtype=torch.bool, device=query.device).tril(past)
    return scaled_dot_product_attention(query, keys, values, attn_mask=seen, is_causal=seen is None, scale=scale)
