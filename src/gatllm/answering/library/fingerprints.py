"""Which passages of the datasets share something with a text: hashes of token windows, thinned out and sorted.

Winnowing (Schleimer, Wilkerson, Aiken: "Winnowing: local algorithms for document fingerprinting", SIGMOD 2003): of
every ``WINDOW`` neighbouring shingles the one with the least hash is kept, so any passage of
``SHINGLE + WINDOW - 1`` tokens that two texts share leaves at least one common fingerprint.
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
SHINGLE: dict[Kind, int] = {"verbatim": 8, "structure": 12}
WINDOW = 7
MAX_DOCUMENTS = 24  # that hold a shingle; what stands in more is boilerplate and leads nowhere


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
        # A document may hold a shingle several times; the exact count of documents follows in `sources`.
        return [
            self.passages[start : stop if stop - start <= 8 * MAX_DOCUMENTS else start]
            for start, stop in rows
            if stop > start
        ]


def winnow(hashes: Hashes, passages: NDArray[np.int32], kind: Kind) -> tuple[Hashes, NDArray[np.int32]]:
    """Return the fingerprints of some documents in a row.

    Args:
        hashes: the tokens of the documents.
        passages: the passage of each token.
        kind: which stream the tokens are of.
    """
    import numpy as np

    values = windows(hashes, SHINGLE[kind])
    chosen = np.flatnonzero(_chosen(values)) if len(values) else np.arange(0)
    return values[chosen], passages[chosen]


def _chosen(values: Hashes) -> NDArray[np.bool_]:
    """Tell which values are the least of some `WINDOW` neighbours.

    A value is the least of a window that holds it if the highest of those windows' minima is the value itself. Ties are
    all kept, where the paper keeps the rightmost: a repeated shingle must be found from either end.
    """
    import numpy as np

    if len(values) < WINDOW:
        return np.asarray(values == values.min())
    count = len(values) - WINDOW + 1
    least = values[:count].copy()
    for shift in range(1, WINDOW):
        np.minimum(least, values[shift : shift + count], out=least)
    highest = np.zeros_like(values)
    for shift in range(WINDOW):
        part = highest[shift : shift + count]
        np.maximum(part, least, out=part)
    return np.asarray(values == highest)
