"""How surprising it is that two texts share a passage: the null that evidence is measured against.

Under the null an answer that owes nothing to a document is code like all other code. A Markov chain over tokens,
counted over the whole collection and over the standard library (what everybody has read), says how many bits the shared
passage carries, the document in question left out of the count. Common lines have few bits, whoever contributes them.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Self

from gatllm.answering.library.tokens import KINDS, Kind, tokenize, windows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from gatllm.answering.library.tokens import Hashes

    Counts = NDArray[np.uint32]

ORDER: dict[Kind, int] = {"verbatim": 3, "structure": 5}  # tokens in a row whose counts are kept
_STRENGTH = 4.0  # how many observations the shorter context is worth (Dirichlet smoothing)
_VOCABULARY = 1 << 20  # beyond the counts, a token is one of so many


class Rarity:
    """Counts of tokens in a row, in tables of hashed places.

    Args:
        tables: for each length from 1 to the order, how often each place was hit; the size is a power of two.
    """

    def __init__(self, tables: Sequence[Counts]) -> None:
        self.tables = list(tables)
        self.total = int(self.tables[0].sum(dtype="int64"))

    @classmethod
    def empty(cls, places: Sequence[int]) -> Self:
        """Return counts of nothing, in tables of so many places."""
        import numpy as np

        return cls([np.zeros(size, np.uint32) for size in places])

    def add(self, hashes: Hashes) -> None:
        """Count the tokens of a text."""
        import numpy as np

        for width, table in enumerate(self.tables, 1):
            np.add.at(table, _places(windows(hashes, width), len(table)), np.uint32(1))
        self.total += len(hashes)

    def counts(self, rows: Hashes, width: int) -> NDArray[np.float64]:
        """Return how often each row of ``width`` tokens was counted, less what chance adds to a place."""
        import numpy as np

        table = self.tables[width - 1]
        noise = self.total / len(table)  # every row of tokens falls onto some place (count-mean sketch)
        found: NDArray[np.float64] = np.maximum(table[_places(rows, len(table))].astype(np.float64) - noise, 0)
        return found


def _places(rows: Hashes, size: int) -> NDArray[np.int64]:
    import numpy as np

    return (rows >> np.uint64(64 - (size.bit_length() - 1))).astype(np.int64)


def bits(hashes: Hashes, kind: Kind, rarities: Sequence[Rarity], without: Hashes) -> NDArray[np.float64]:
    """Return the information of each token given those before it, in bits.

    Args:
        hashes: the tokens.
        kind: which stream they are of.
        rarities: what was counted; all of it together is the null.
        without: the tokens of a passage that is left out of the counts.
    """
    import numpy as np

    total = sum(rarity.total for rarity in rarities) - len(without)
    probability = np.full(len(hashes), 1 / _VOCABULARY)
    context = np.full(len(hashes), float(max(total, 0)))
    for width in range(1, ORDER[kind] + 1):
        rows = windows(hashes, width)
        if not len(rows):
            break
        own = _occurrences(rows, windows(without, width))
        # The passage may be in any of the collections: in each it is left out.
        seen = sum((np.maximum(rarity.counts(rows, width) - own, 0) for rarity in rarities), np.zeros(len(rows)))
        tail = slice(width - 1, None)
        before = np.maximum(context[tail] if width == 1 else context[width - 2 : -1], seen)
        probability[tail] = (seen + _STRENGTH * probability[tail]) / (before + _STRENGTH)
        context = np.concatenate([np.zeros(width - 1), seen])  # at each token: how often the row ending there was seen
    return np.asarray(-np.log2(probability))


def _occurrences(rows: Hashes, among: Hashes) -> NDArray[np.float64]:
    import numpy as np

    if not len(among):
        return np.zeros(len(rows))
    values, counts = np.unique(among, return_counts=True)
    at = np.minimum(np.searchsorted(values, rows), len(values) - 1)
    return np.asarray(np.where(values[at] == rows, counts[at], 0), np.float64)


@cache
def background() -> Mapping[Kind, Rarity]:
    """Return the counts of the running interpreter's library: what nobody contributes and everybody writes like."""
    import sysconfig
    from pathlib import Path

    rarities = {kind: Rarity.empty([1 << 21] * ORDER[kind]) for kind in KINDS}
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        try:
            streams = tokenize(path.read_bytes().replace(b"\0", b" "))
        except OSError:
            continue
        for kind in KINDS:
            rarities[kind].add(streams[kind].hashes)
    return rarities
