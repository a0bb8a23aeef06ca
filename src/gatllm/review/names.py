"""Which words a tag that says "a name" may mean: names of the text, builtins and keywords, likely ones first."""

from __future__ import annotations

import ast
import builtins
import keyword
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher

from gatllm.review.critics import quietly_parsed
from gatllm.review.tags import Span, Tag, is_space
from gatllm.review.typos import is_typo
from gatllm.tokenizers.lexicon import subwords
from gatllm.tokenizers.lexing.words import KEYWORDS

_BUILTINS = tuple(name for name in dir(builtins) if not name.startswith("_"))
_JOINTS = frozenset({".", "(", "[", "=", "@", "->", ":"})  # neighbours that tell what kind of name stands there
# In the units of `_worth`, of which both follow: with fewer known letters than unknown ones a half is no word, and a
# name of the text has 3 - 1, and a tenth for each of the four letters from which on it is hardly there by chance.
_LEAST = 1.0  # that each half of a word must be worth
_SURE = 2.4  # from here on the other half may be anything
_LONGEST = 100  # characters of a name; prose without end is one token, and cut in as many ways as it has characters
_KNOWN = KEYWORDS | frozenset(_BUILTINS) | {"self", "cls"}


class Names:
    """The names of a text, and where they stand; ``lexicon`` are subwords of names that are known besides."""

    def __init__(self, tokens: Sequence[Span], lexicon: frozenset[str] = frozenset()) -> None:
        self._tokens, self._lexicon = tokens, lexicon
        self._subwords: frozenset[str] = frozenset()
        self._places: dict[str, list[int]] = {}
        for number, token in enumerate(tokens):
            if token.text.isidentifier() and not keyword.iskeyword(token.text):
                self._places.setdefault(token.text, []).append(number)
        self._known: dict[tuple[str, str, str], list[str]] = {}
        self._counts = Counter({name: len(places) for name, places in self._places.items()})

    def candidates(self, tag: Tag, number: int, most: int = 4) -> list[str]:
        """Words that ``tag`` may put at token ``number``, likely ones first; ``[""]`` for a tag that needs none."""
        word = self._tokens[number].text
        if tag.action in ("respell", "cut", "rename") and not 0 < len(word) <= _LONGEST:
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
                return self._fitting(number)[: 2 * most]
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
        """Ways to cut ``word`` so that both halves look like words, the likeliest first."""
        scored = []
        for at in range(1, len(word)):
            left, right = word[:at], word[at:]
            worth = (self._worth(left, word), self._worth(right, word))
            sure = any(
                value >= _SURE and len(one) > 3 and len(other) > 2
                for value, one, other in ((worth[0], left, right), (worth[1], right, left))
            )
            if (sure or min(worth) >= _LEAST) and (right.isidentifier() or right.isdigit()):
                scored.append((-sum(worth), abs(len(left) - len(right)), left + between + right))
        quoted = [word[0] + between + word[1:]] if between in "\"'" and word[0] in "bfrBFR" else []
        return quoted + [text for _, _, text in sorted(scored)]

    def _worth(self, half: str, word: str) -> float:
        """How much half of ``word`` looks like a word: 3 for a known one, else 2 for the letters of known subwords."""
        known = 3.0 + len(half) / 10
        if half in _KNOWN or half.isdigit():
            return known
        if half in self._counts:
            return known - 1.0
        found = subwords(half)
        if not self._subwords:
            others = (name for name in self._counts if name != word)
            self._subwords = self._lexicon | {part for name in others for part in subwords(name)}
        letters = sum(map(len, found))
        return 2.0 * sum(len(part) for part in found if len(part) > 1 and part in self._subwords) / max(letters, 1)

    def _fitting(self, number: int) -> list[str]:
        """Names to put after token ``number``: first those that stand elsewhere between such neighbours."""
        before, after = self._beside(number, 0), self._beside(number + 1, 1)

        def strange(name: str) -> int:
            places = self._places[name]
            follows = any(self._beside(place - 1, -1) == before for place in places)
            leads = any(self._beside(place + 1, 1) == after for place in places)
            return (before in _JOINTS and not follows) + (after in _JOINTS and not leads)

        return sorted(self._near(number), key=strange)

    def _beside(self, number: int, step: int) -> str:
        """The text of token ``number``, or of the next in the direction ``step`` if that is a space."""
        while step and 0 <= number < len(self._tokens) and is_space(self._tokens[number]):
            number += step
        return self._tokens[number].text if 0 <= number < len(self._tokens) else ""

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


def unbound(tree: ast.Module) -> set[str]:
    """Names that a module uses and neither it nor Python defines; none where a star import may bring them."""
    bound: set[str] = {*_BUILTINS, "__name__", "__file__", "__doc__", "__path__", "__spec__", "__all__", "__builtins__"}
    used: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name():
                (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
            case ast.arg():
                bound.add(node.arg)
            case ast.alias():
                bound.add((node.asname or node.name).split(".")[0])
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.ExceptHandler():
                bound.add(node.name or "")
            case ast.Global() | ast.Nonlocal():
                bound.update(node.names)
            case ast.MatchAs(name=name) | ast.MatchStar(name=name) | ast.MatchMapping(rest=name):
                bound.add(name or "")
    return set() if "*" in bound else used - bound


def with_known_names(text: str) -> str | None:
    """Return a text that compiles with each undefined name as the one name that it is a slip away from; None without.

    A name of one letter or two is near to too many.
    """
    tree = quietly_parsed(text)
    if tree is None:
        return None
    places = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    missing = unbound(tree)
    known = {node.id for node in places} | {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    known = (known | set(_BUILTINS) | _defined(tree)) - missing
    meant = {
        name: near[0]
        for name in missing
        if len(name) > 2 and len(near := [other for other in known if is_typo(name, other)]) == 1
    }
    lines = [line.encode() for line in text.split("\n")]  # places are counted in bytes
    for node in sorted(places, key=lambda node: (node.lineno, node.col_offset), reverse=True):
        if node.id in meant:
            line, at = lines[node.lineno - 1], node.col_offset
            lines[node.lineno - 1] = line[:at] + meant[node.id].encode() + line[at + len(node.id.encode()) :]
    return b"\n".join(lines).decode() if meant else None


def _defined(tree: ast.Module) -> set[str]:
    """Names of functions, classes and imports."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).split(".")[0])
    return found
