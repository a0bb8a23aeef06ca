"""How near a text is to a collection: TF-IDF vectors and an exact search by cosine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import log
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from gatllm.answering.words import words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Near(NamedTuple):
    """An item of the collection and the cosine of its angle to the query."""

    item: int
    cosine: float


class SimilarityIndex:
    """Term weights (1 + ln count) · idf over stemmed words, unit length; exact, one sparse product per query.

    idf is ln((1 + items) / (1 + items with the word)) + 1, as in scikit-learn. A word is *known* when it occurs in two
    groups (records), so that an item held out together with its group can't make its own words known.
    """

    def __init__(self, vocabulary: dict[str, int], items: Any, groups: NDArray[np.int64]) -> None:
        import numpy as np

        self.vocabulary = vocabulary
        self.items = items  # (items, words), sparse rows of unit length
        self.groups = groups
        counts = np.bincount(items.indices, minlength=len(vocabulary))
        self.idf: NDArray[np.float64] = np.log((1 + len(groups)) / (1 + counts)) + 1
        pairs = np.unique(np.stack([items.indices.astype(np.int64), groups.repeat(np.diff(items.indptr))]), axis=1)
        self._known: NDArray[np.bool_] = np.bincount(pairs[0], minlength=len(vocabulary)) >= 2

    @classmethod
    def build(cls, texts: Iterable[str], groups: Sequence[int]) -> Self:
        """Index ``texts``; ``groups`` tells for each the number of the record it belongs to."""
        import numpy as np
        from scipy.sparse import csr_array

        vocabulary: dict[str, int] = {}
        columns: list[int] = []
        values: list[float] = []
        ends = [0]
        for text in texts:
            for word, count in Counter(words(text)).items():
                columns.append(vocabulary.setdefault(word, len(vocabulary)))
                values.append(1 + log(count))
            ends.append(len(columns))
        items = csr_array((np.array(values, np.float32), columns, ends), shape=(len(ends) - 1, len(vocabulary)))
        index = cls(vocabulary, items, np.asarray(groups, dtype=np.int64))
        items.data *= index.idf[items.indices]
        items.data /= np.maximum(_lengths(items), 1e-9).repeat(np.diff(items.indptr))
        return index

    def __len__(self) -> int:
        return len(self.groups)

    def _queries(self, texts: Sequence[str]) -> Any:
        import numpy as np
        from scipy.sparse import csr_array

        columns: list[int] = []
        values: list[float] = []
        ends = [0]
        unknown = float(self.idf.max(initial=1.0))
        for text in texts:
            counted = Counter(words(text))
            found = [(self.vocabulary.get(word), 1 + log(count)) for word, count in counted.items()]
            weights = [(at, value * (unknown if at is None else float(self.idf[at]))) for at, value in found]
            # Words the collection has never seen lengthen the query: they make it less like everything in it.
            length = sum(weight * weight for _, weight in weights) ** 0.5 or 1.0
            known = [(at, weight / length) for at, weight in weights if at is not None]
            columns += [at for at, _ in known]
            values += [weight for _, weight in known]
            ends.append(len(columns))
        return csr_array((np.array(values, np.float32), columns, ends), shape=(len(texts), len(self.vocabulary)))

    def cosines(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the cosine of each text to each item, shape ``(texts, items)``."""
        product: NDArray[np.float32] = (self._queries(texts) @ self.items.T).toarray()
        return product

    def nearest(self, text: str, count: int = 5) -> list[Near]:
        """Return the nearest items, best first; those with nothing in common are left out."""
        import numpy as np

        cosines = self.cosines([text])[0]
        best = np.argsort(-cosines, kind="stable")[:count]
        return [Near(int(item), float(cosines[item])) for item in best if cosines[item] > 0]

    def coverage(self, text: str) -> float:
        """Return the share of a text's words that the collection knows, rare words counting more (0 when it has none).

        A word weighs its inverse document frequency; an unknown one weighs as much as the rarest known one.
        """
        rarest = float(self.idf.max(initial=1.0))
        known = total = 0.0
        for word in set(words(text)):
            at = self.vocabulary.get(word)
            weight = rarest if at is None else float(self.idf[at])
            total += weight
            known += weight if at is not None and self._known[at] else 0.0
        return known / total if total else 0.0


def _lengths(rows: Any) -> NDArray[np.float32]:
    import numpy as np

    squares: NDArray[np.float32] = np.add.reduceat(np.append(rows.data**2, 0), rows.indptr[:-1])
    squares[np.diff(rows.indptr) == 0] = 0
    return np.sqrt(squares)
