"""Who sees whom in attention: the one definition that every kernel follows."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Pattern:
    """Who sees whom.

    Query q sees key k if they are less than ``window`` apart, or either is one of the first ``global_tokens``
    (Beltagy et al. 2020); ``causal`` forbids keys after the query in every case. In cross-attention the two
    positions are counted in the target and in the source.
    """

    causal: bool = False
    window: int | None = None
    global_tokens: int = 0

    def allowed(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Return the mask (..., queries, keys), true where query position sees key position.

        Args:
            queries: positions (..., queries).
            keys: positions (..., keys); negative: there is no key.
        """
        q, k = queries[..., :, None], keys[..., None, :]
        seen = k >= 0
        if self.window is not None:
            near = (q - k).abs() < self.window
            if self.global_tokens:
                near = near | (k < self.global_tokens) | (q < self.global_tokens)
            seen = seen & near
        if self.causal:
            seen = seen & (k <= q)
        return seen.expand(*q.shape[:-1], k.shape[-1])

    def is_full(self, tokens: int) -> bool:
        """Tell whether the window hides nothing in a sequence of ``tokens``."""
        return self.window is None or self.window >= tokens
