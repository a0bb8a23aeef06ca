"""Which passages of the datasets share something with a text: hashes of token windows, thinned out and sorted.

Winnowing (Schleimer, Wilkerson, Aiken: "Winnowing: local algorithms for document fingerprinting", SIGMOD 2003): of
every ``reach`` neighbouring windows the one with the least hash is kept, so any passage of ``width + reach - 1`` tokens
that two texts share leaves at least one common fingerprint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

from gatllm.answering.library.tokens import Kind, windows

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from gatllm.answering.library.tokens import Hashes

# Structure has a small alphabet: a window must be longer there to tell one passage from another.
WIDTH: dict[Kind, int] = {"verbatim": 8, "structure": 12}
REACH = 7
MOST = 24  # documents that hold a window; in more it is boilerplate and leads nowhere


class Fingerprints(NamedTuple):
    """Fingerprints in ascending order, and the passage that each begins in."""

    hashes: Hashes
    passages: NDArray[np.int32]

    @classmethod
    def merge(cls, parts: Iterable[tuple[Hashes, NDArray[np.int32]]]) -> Self:
        """Sort the fingerprints of all parts."""
        import numpy as np

        pairs = list(parts)
        hashes = np.concatenate([part for part, _ in pairs])
        passages = np.concatenate([part for _, part in pairs])
        order = np.argsort(hashes)
        return cls(hashes[order], passages[order])

    def passages_with(self, wanted: Hashes) -> list[NDArray[np.int32]]:
        """Return the passages that hold each fingerprint; none where so many do that it is boilerplate for sure."""
        import numpy as np

        first = np.searchsorted(self.hashes, wanted, "left")
        last = np.searchsorted(self.hashes, wanted, "right")
        rows = zip(first.tolist(), last.tolist(), strict=True)
        return [
            self.passages[start : stop if stop - start <= 8 * MOST else start] for start, stop in rows if stop > start
        ]


def thin(hashes: Hashes, passages: NDArray[np.int32], kind: Kind) -> tuple[Hashes, NDArray[np.int32]]:
    """Return the fingerprints of some documents in a row.

    Args:
        hashes: the tokens of the documents.
        passages: the passage of each token.
        kind: which stream the tokens are of.
    """
    import numpy as np

    values = windows(hashes, WIDTH[kind])
    chosen = np.flatnonzero(_chosen(values)) if len(values) else np.arange(0)
    return values[chosen], passages[chosen]


def _chosen(values: Hashes) -> NDArray[np.bool_]:
    """Tell which values are the least of `REACH` neighbours, on any side."""
    import numpy as np

    if len(values) < REACH:
        return np.asarray(values == values.min())
    count = len(values) - REACH + 1
    least = values[:count].copy()
    for shift in range(1, REACH):
        np.minimum(least, values[shift : shift + count], out=least)
    highest = np.zeros_like(values)
    for shift in range(REACH):
        part = highest[shift : shift + count]
        np.maximum(part, least, out=part)
    return np.asarray(values == highest)
