"""Whether a question resembles one that was learnt; what resembles none gets no answer instead of the nearest one."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Sequence

I_DO_NOT_KNOW = "I do not know"

_WORD = re.compile(r"\w+")
_LEAST = 0.3  # cosine of the word vectors below which two questions have nothing to do with each other
_TELLING = 0.05  # a word that goes with at most this fraction of the answers tells them apart


class Known:
    """The questions that were learnt, as vectors of their words (weighted by how few answers each goes with).

    A question is known when it has the words of the nearest one that tell answers apart, or says nothing beside it:
    "the capital of France?" is "what is the capital of France?", and "what is the capital of Peru?" is not.
    """

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._words = [frozenset(words_of(question)) for question, _ in pairs]
        answers: dict[str, set[str]] = defaultdict(set)
        for (_, answer), words in zip(pairs, self._words, strict=True):
            for word in words:
                answers[word].add(answer)
        count = len({answer for _, answer in pairs})
        most = max(1, _TELLING * count)
        self._telling = {word for word, given in answers.items() if len(given) <= most}
        self._weights = {word: math.log(1 + count / len(given)) for word, given in answers.items()}
        self._unknown = math.log(1 + count)  # of a word that no question has
        self._places: dict[str, list[int]] = defaultdict(list)
        for place, words in enumerate(self._words):
            for word in words:
                self._places[word].append(place)
        self._lengths = [self._length(words) for words in self._words]

    def _weight(self, word: str) -> float:
        return self._weights.get(word, self._unknown)

    def _length(self, words: frozenset[str]) -> float:
        return math.sqrt(sum(self._weight(word) ** 2 for word in words))

    def __contains__(self, question: str) -> bool:
        """Tell whether the question resembles one that was learnt."""
        asked = frozenset(words_of(question))
        common: dict[int, float] = defaultdict(float)  # by question: what its words have in common with these
        for word in asked:
            for place in self._places.get(word, ()):
                common[place] += self._weight(word) ** 2
        if not common:
            return False
        length = self._length(asked)
        nearest = max(common, key=lambda place: common[place] / self._lengths[place])
        if common[nearest] / (self._lengths[nearest] * length) < _LEAST:
            return False
        lacks = (self._words[nearest] & self._telling) - asked
        return not (lacks and asked - self._words[nearest])


def words_of(text: str) -> list[str]:
    """Return the words of a text without case, or its characters where it has no words."""
    return _WORD.findall(text.casefold()) or list(text.strip())
