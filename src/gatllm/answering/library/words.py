"""What passages are about: their words, identifiers taken apart, and how near a question is to each passage.

Vectors of (1 + ln count) · idf over words cut to six letters (a stemmer that needs no grammar: ``reversing`` and
``reversed`` become one), as rows of an inverted index on the disk; the search is exact.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from gatllm.answering.library.tokens import mix, powers_to

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from gatllm.answering.library.tokens import Places

PLACES = 1 << 18  # words are told apart by 18 bits of their hash
_LETTERS = 6
_HEADER = 3  # how often a word in the header of a function counts

# Words of asking, not of what is asked about, and the language's glue: "write" brings a prompt no nearer to code.
_SILENT_WORDS = """an and any are as at be but by can could do does for from give given has have how if in into is it
its let me my need not of on only or our please should show so some such that the their them then there these this to
use used using want was we what when where which who will with would you your write python function functions code
program method script explain example def return returns returning none self cls true false import class call called
etc"""


class Words(NamedTuple):
    """The words of a text: a place for each (equal words have equal places), and where they begin."""

    places: NDArray[np.int32]
    starts: Places


def split_words(text: bytes) -> Words:
    """Return the words in order; ``readAllLines`` and ``read_all_lines`` are three, words of asking are none."""
    found = _cut(text)
    spoken = ~_silent()[found.places]
    return Words(found.places[spoken], found.starts[spoken])


def _cut(text: bytes) -> Words:
    import numpy as np

    letters, values = _tables()
    data = np.frombuffer(text, np.uint8)
    kind = letters[data]  # 0 none, 1 small, 2 capital
    before, after = np.zeros_like(kind), np.zeros_like(kind)
    before[1:], after[:-1] = kind[:-1], kind[1:]
    is_start = (kind > 0) & ((before == 0) | ((kind == 2) & ((before == 1) | (after == 1))))
    starts = np.flatnonzero(is_start)
    is_end = (kind > 0) & (after == 0)
    is_end[:-1] |= is_start[1:] & (kind[:-1] > 0)
    ends = np.flatnonzero(is_end) + 1
    powers, inverses = powers_to(len(data))
    sums = np.zeros(len(data) + 1, np.uint64)
    np.cumsum(values[data] * powers[: len(data)], out=sums[1:])
    long = ends - starts > 1
    starts, ends = starts[long], np.minimum(ends[long], starts[long] + _LETTERS)
    places = mix((sums[ends] - sums[starts]) * inverses[starts]) >> np.uint64(46)
    return Words(places.astype(np.int32), starts)


@cache
def _tables() -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
    """Return what kind of letter each byte is, and its value in a hash (the same for capital and small)."""
    import numpy as np

    letters = np.zeros(256, np.uint8)
    letters[ord("a") : ord("z") + 1] = 1
    letters[128:] = 1  # letters of other scripts, byte by byte
    letters[ord("A") : ord("Z") + 1] = 2
    values = mix(np.arange(1, 257, dtype=np.uint64) * np.uint64(0xD6E8FEB86659FD93))
    values[ord("A") : ord("Z") + 1] = values[ord("a") : ord("z") + 1]
    return letters, values


@cache
def _silent() -> NDArray[np.bool_]:
    import numpy as np

    silent = np.zeros(PLACES, np.bool_)
    silent[_cut(_SILENT_WORDS.encode()).places] = True
    return silent


def count(text: str) -> int:
    """Return how many words a text has that say what it is about."""
    return len(_places(text))


def plain_words(text: str) -> list[str]:
    """Return the same words as text, small and uncut."""
    silent = _silent_words()
    return [word for word in re.findall(r"[a-z]{2,}", text.lower()) if word not in silent]


@cache
def _silent_words() -> frozenset[str]:
    return frozenset(_SILENT_WORDS.split())


class WordCounts(NamedTuple):
    """How often each passage has each word: parallel arrays, ordered by passage, then word."""

    passages: NDArray[np.int32]
    places: NDArray[np.int32]
    counts: NDArray[np.int32]


def count_words(words: Words, passages: NDArray[np.int32], in_header: NDArray[np.bool_]) -> WordCounts:
    """Count words by passage; those in a header count `_HEADER` times.

    Args:
        words: the words of some passages in a row.
        passages: the passage of each word, ascending.
        in_header: which words are in a passage's header.
    """
    import numpy as np

    # One number says it all, so that the fast sort of plain numbers does the counting.
    keys = np.sort((passages.astype(np.int64) * PLACES + words.places) * 2 + in_header)
    found = keys >> 1
    first = np.flatnonzero(np.concatenate([[True], found[1:] != found[:-1]])) if len(keys) else np.arange(0)
    weights = np.where(keys & 1, _HEADER, 1)
    counts = np.add.reduceat(weights, first) if len(first) else weights
    found = found[first]
    return WordCounts((found // PLACES).astype(np.int32), (found % PLACES).astype(np.int32), counts.astype(np.int32))


class Near(NamedTuple):
    """A passage and the cosine of its angle to the query."""

    passage: int
    cosine: float


class WordIndex:
    """The inverted index: for each place the passages that have a word there, and how much it weighs in them.

    Attributes:
        first: where the row of each place begins, shape ``(PLACES + 1,)``.
        passages: the passages, row after row.
        weights: the word's part of the passage's vector of length 1.
        count: how many passages there are.
    """

    def __init__(
        self, first: NDArray[np.int64], passages: NDArray[np.int32], weights: NDArray[np.float32], count: int
    ) -> None:
        self.first, self.passages, self.weights, self.count = first, passages, weights, count

    @classmethod
    def build(cls, parts: Iterable[WordCounts], count: int) -> WordIndex:
        """Index what was counted in ``count`` passages."""
        import numpy as np

        rows = list(parts)
        passages = np.concatenate([row.passages for row in rows])
        places = np.concatenate([row.places for row in rows])
        weights = (1 + np.log(np.concatenate([row.counts for row in rows]))).astype(np.float32)
        having = np.bincount(places, minlength=PLACES)
        weights *= _idf(having, count).astype(np.float32)[places]
        lengths = np.sqrt(np.bincount(passages, weights**2, minlength=count))
        weights /= lengths[passages].astype(np.float32)
        order = np.argsort(places, kind="stable")
        first = np.concatenate([[0], np.cumsum(having)]).astype(np.int64)
        return cls(first, passages[order], weights[order], count)

    def cosines(self, text: str) -> NDArray[np.float64]:
        """Return the cosine of a text to each passage; words that no passage has lengthen the text's vector."""
        import numpy as np

        places, counts = np.unique(_places(text), return_counts=True)
        having = np.asarray(self.first[places + 1] - self.first[places])
        weights = (1 + np.log(counts)) * _idf(having, self.count)
        length = float(np.sqrt((weights**2).sum())) or 1.0
        cosines = np.zeros(self.count)
        for place, weight in zip(places.tolist(), (weights / length).tolist(), strict=True):
            row = slice(int(self.first[place]), int(self.first[place + 1]))
            cosines[self.passages[row]] += self.weights[row] * weight  # a passage is in a row once
        return cosines

    def nearest(self, text: str, count: int) -> list[Near]:
        """Return the nearest passages, best first; those with nothing in common are left out."""
        import numpy as np

        cosines = self.cosines(text)
        best = np.argpartition(-cosines, min(count, len(cosines) - 1))[:count] if len(cosines) else np.arange(0)
        ordered = sorted(best.tolist(), key=lambda at: (-cosines[at], at))
        return [Near(at, float(cosines[at])) for at in ordered if cosines[at] > 0]

    def known(self, text: str) -> float:
        """Return the fraction of a text's words that two passages have, rare words counting more (0 without words)."""
        import numpy as np

        places = np.unique(_places(text))
        having = np.asarray(self.first[places + 1] - self.first[places])
        weights = _idf(having, self.count)
        return float(weights[having >= 2].sum() / weights.sum()) if len(places) else 0.0


def _places(text: str) -> NDArray[np.int32]:
    return split_words(text.encode("utf-8", "surrogatepass")).places


def _idf(having: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Return ln((1 + passages) / (1 + passages with the word)) + 1, as in scikit-learn."""
    import numpy as np

    return np.asarray(np.log((1 + count) / (1 + having)) + 1)
