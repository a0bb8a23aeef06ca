"""Which words a tag that says "a name" may mean: names of the text, builtins and keywords, likely ones first."""

from __future__ import annotations

import builtins
import keyword
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher

from gatllm.review.tags import Span, Tag

_BUILTINS = tuple(name for name in dir(builtins) if not name.startswith("_"))
_KNOWN = frozenset(keyword.kwlist) | frozenset(_BUILTINS) | {"self", "cls"}


class Names:
    """The names of a text, and where they stand."""

    def __init__(self, tokens: Sequence[Span]) -> None:
        self._tokens = tokens
        self._places: dict[str, list[int]] = {}
        for number, token in enumerate(tokens):
            if token.text.isidentifier() and not keyword.iskeyword(token.text):
                self._places.setdefault(token.text, []).append(number)
        self._known: dict[tuple[str, str, str], list[str]] = {}
        self._counts = Counter({name: len(places) for name, places in self._places.items()})

    def candidates(self, tag: Tag, number: int, most: int = 4) -> list[str]:
        """Words that ``tag`` may put at token ``number``, likely ones first; ``[""]`` for a tag that needs none."""
        word = self._tokens[number].text
        if not word and tag.action in ("respell", "cut", "rename"):
            return []
        match tag.action:
            case "respell" | "cut":
                key = (tag.action, tag.text, word)
                if key not in self._known:
                    self._known[key] = self._respelt(word) if tag.action == "respell" else self._cut(word, tag.text)
                return self._known[key][:most]
            case "rename":
                return [name for name in self._near(number) if name != word][: 2 * most]
            case "insert name":
                return self._near(number)[: 2 * most]
        return [""]

    def _respelt(self, word: str) -> list[str]:
        pool = {name for name in self._counts if name != word} | _KNOWN
        bare = word.replace("_", "").lower()
        scored = []
        for name in pool:
            if abs(len(name) - len(word)) > 2 or not name:
                continue
            ratio = SequenceMatcher(None, word, name, autojunk=False)
            if ratio.real_quick_ratio() < 0.6 or ratio.quick_ratio() < 0.6:
                continue
            likeness = 1.0 if name.replace("_", "").lower() == bare else ratio.ratio()
            if likeness >= 0.6:
                scored.append((-likeness - 0.01 * min(self._counts[name], 5), name))
        return [name for _, name in sorted(scored)]

    def _cut(self, word: str, between: str) -> list[str]:
        """Ways to cut ``word`` so that both halves, or at least one, are known words."""
        scored = []
        for at in range(1, len(word)):
            left, right = word[:at], word[at:]
            known = (self._worth(left), self._worth(right))
            if any(known) and (right.isidentifier() or right.isdigit()):
                scored.append((-sum(known), abs(len(left) - len(right)), left + between + right))
        quoted = [word[0] + between + word[1:]] if between in "\"'" and word[0] in "bfrBFR" else []
        return quoted + [text for _, _, text in sorted(scored)]

    def _worth(self, word: str) -> float:
        if word in _KNOWN:
            return 2.0 + len(word) / 10
        return 1.0 + len(word) / 10 if word in self._counts else 0.0

    def _near(self, number: int) -> list[str]:
        """Names by how close they stand and how often they occur."""

        def rank(name: str) -> float:
            places = self._places[name]
            at = bisect_left(places, number)
            gap = min(
                (abs(place - number) for place in places[max(at - 1, 0) : at + 2] if place != number), default=10**6
            )
            return gap / (1 + self._counts[name])

        return sorted(
            (name for name in self._places if self._places[name] != [number]), key=lambda name: (rank(name), name)
        )
