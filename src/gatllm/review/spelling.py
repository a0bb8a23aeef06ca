"""How a lexeme is spelt: a few small numbers a token, the model's third input.

The lexicon knows few thousand words; every other name is one of some hundred buckets to it, though `max_retries` and
`retry_count` share what they are about. Here each name is told by the words that it is put together of (as fastText
does with pieces of words, Bojanowski et al. 2017) and by its form, and each number by its digits.
"""

from __future__ import annotations

import zlib

from gatllm.tokenizers.lexicon import Lexicon, subwords

SPELLINGS = 4096  # numbers that a token can be told by; 0 says nothing
SLOTS = 4  # of them for one token: three words and the form
_FORMS = 1  # leading underscores 3 x other underscores 3 x words 3 x unfamiliar words 3 x letters 3
_NUMBERS = _FORMS + 3**5
_KNOWN = 768
_KNOWN_ROOM = 2560
_UNKNOWN = _KNOWN + _KNOWN_ROOM
_NOTHING = (0,) * SLOTS
_MOST = 100_000  # spellings remembered


class Spelling(dict[str, tuple[int, ...]]):
    """From a lexeme's text to its `SLOTS` numbers below `SPELLINGS`; remembers what it was asked. Thread-safe."""

    def __init__(self, lexicon: Lexicon) -> None:
        super().__init__()
        first = sorted(lexicon.subwords)[:_KNOWN_ROOM]
        self._known = {part: _KNOWN + number for number, part in enumerate(first)}

    def __missing__(self, text: str) -> tuple[int, ...]:
        if len(self) >= _MOST:
            self.clear()
        self[text] = numbers = self._spell(text)
        return numbers

    def _spell(self, text: str) -> tuple[int, ...]:
        if text[:1].isdigit():
            return (_NUMBERS + _hash(text.lower(), _KNOWN - _NUMBERS), *_NOTHING[1:])
        if not text.isidentifier():
            return _NOTHING
        words = subwords(text)
        shown = words if len(words) < SLOTS else [*words[: SLOTS - 2], words[-1]]
        numbers = [self._known.get(word) or _UNKNOWN + _hash(word, SPELLINGS - _UNKNOWN) for word in shown]
        return (_FORMS + self._form(text, words), *numbers, *_NOTHING[len(numbers) + 1 :])

    def _form(self, text: str, words: list[str]) -> int:
        name = text.strip("_")
        leading = min(len(text) - len(text.lstrip("_")), 2)
        others = 2 if "__" in name else int(text.endswith("_") and bool(name))
        unfamiliar = [word for word in words if word not in self._known]
        strange = 0 if not unfamiliar else 2 if any(map(self._joined, unfamiliar)) else 1
        letters = 1 if name.isupper() else 2 if name[:1].isupper() else 0
        return (((leading * 3 + others) * 3 + min(max(len(words), 1) - 1, 2)) * 3 + strange) * 3 + letters

    def _joined(self, word: str) -> bool:
        """Tell whether a word looks like two that lost what stood between them."""
        return any(word[:cut] in self._known and word[cut:] in self._known for cut in range(3, len(word) - 2))


def _hash(text: str, buckets: int) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogatepass")) % buckets
