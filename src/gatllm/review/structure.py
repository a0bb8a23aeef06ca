"""What a token's surroundings say that its own id does not: one small number a token, the model's second input.

A tagger of a few layers spends most of its capacity on counting: is this bracket closed, does this line fit its
block, was this name ever bound, is it the only one of its spelling? All of that is a single pass over the lexemes.
Nothing here relies on a tree: the text may be as broken as it likes.
"""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from gatllm.review.tags import Span, indentation, is_line
from gatllm.tokenizers.lexing.words import BLOCK_WORDS, KEYWORDS

_BUILTINS = frozenset(name for name in dir(builtins)) | {"self", "cls", "super", "__file__", "__name__"}
_KEYWORDS = KEYWORDS | BLOCK_WORDS | {"_"}
_OPENING = {"(": ")", "[": "]", "{": "}"}
_CLOSING = frozenset(_OPENING.values())
_BINDERS = frozenset({"def", "class", "as", "import", "for", "global", "nonlocal", "lambda", "except"})

# Layout of the numbers, from 1; 0 says nothing.
_NAMES = 1  # role 4 x others 4 x origin 3 x first 2 x like another 2
_BRACKETS = _NAMES + 4 * 4 * 3 * 2 * 2
_LINES = _BRACKETS + 8  # indentation 5 x after a colon 2 x inside brackets 2
_REST = _LINES + 20  # depth 4 x inside quotes 2
STRUCTURAL_FEATURES = 256

_LOAD, _ATTRIBUTE, _BINDING, _KEYWORD = range(4)


def structural_features(tokens: Sequence[Span]) -> list[int]:
    """Return each token's structural feature, 0 to `STRUCTURAL_FEATURES` - 1 (`marks` in weights and recipes).

    The first token may be the place before the text.

    - A name: its role (read, attribute, bound, keyword argument), how many others are spelt so, whether the text binds
      it or Python knows it, whether it is the first, and whether a single one is spelt nearly like another.
    - A bracket: matched (and how deep), unmatched, or closed by another kind.
    - A line: its indentation against the line before, whether that ended in a colon, whether brackets are open.
    - The rest: how many brackets are open, and whether it seems to stand in a string.
    """
    out = [0] * len(tokens)
    names = _scan(tokens, out)
    _mark_names(tokens, names, out)
    return out


def _scan(tokens: Sequence[Span], out: list[int]) -> list[tuple[int, int]]:
    """Mark everything but names, and return the names with their roles."""
    names: list[tuple[int, int]] = []
    opened: list[tuple[str, int, bool]] = []  # bracket, its token, whether a function's parameters stand in it
    levels, previous, quote, last, binder = [0], 0, "", "", ""
    for number, token in enumerate(tokens):
        text = token.text
        if not text or text.isspace():
            if text and is_line(token):
                width = len(indentation(text).expandtabs(8))
                out[number] = _LINES + _line(width, previous, levels, last == ":", bool(opened))
                if not opened:
                    levels = [*(level for level in levels if level < width), width]
                    previous, binder = width, ""
                quote = quote if len(quote) == 3 else ""
            continue
        if text in _OPENING:
            parameters = not opened and binder in ("def", "lambda")
            opened.append((text, number, parameters))
            out[number] = _BRACKETS + 6  # unless it is closed
        elif text in _CLOSING:
            out[number] = _BRACKETS + _close(text, opened, out)
        elif text[0] in "\"'" and text.strip("\"'") == "":
            out[number] = _REST + 2 * min(len(opened), 3) + bool(quote)
            quote = text if not quote else "" if quote == text else quote
        elif (text[0].isalpha() or text[0] == "_") and text not in _KEYWORDS and text.isidentifier():
            if not quote:
                names.append((number, _role(tokens, number, last, binder, opened)))
        else:
            out[number] = _REST + 2 * min(len(opened), 3) + bool(quote)
            if text in _BINDERS and not quote:
                binder = text
            elif (text == "in" and binder == "for") or (text == ":" and not opened):
                binder = ""
        last = text
    return names


def _line(width: int, previous: int, levels: list[int], after_colon: bool, inside: bool) -> int:
    if width == previous:
        change = 0
    elif width > previous:
        change = 1 if width == previous + 4 else 2
    else:
        change = 3 if width in levels else 4
    return (change * 2 + after_colon) * 2 + inside


def _close(text: str, opened: list[tuple[str, int, bool]], out: list[int]) -> int:
    """Mark the bracket that ``text`` closes, and return what it is itself."""
    if not opened:
        return 7
    bracket, number, _ = opened.pop()
    depth = min(len(opened), 3)
    out[number] = _BRACKETS + depth
    if _OPENING[bracket] == text:
        return depth
    out[number] = _BRACKETS + 5
    return 5


def _role(tokens: Sequence[Span], number: int, last: str, binder: str, opened: list[tuple[str, int, bool]]) -> int:
    if last == ".":
        return _ATTRIBUTE
    after = tokens[number + 1].text if number + 1 < len(tokens) else ""
    if after == " " and number + 2 < len(tokens):
        after = tokens[number + 2].text
    parameter = bool(opened) and opened[-1][2]
    if opened and not parameter and after == "=" and last in ("(", ","):
        return _KEYWORD
    bound = (
        (parameter and last in ("(", ",", "*", "**"))
        or (binder not in ("", "except") and last in (binder, ",", "(", "as", "*"))
        or after in ("=", ":=", "+=", "-=", "|=")
        or (not opened and after == ":" and "\n" in last)
        or (not opened and after == "," and _assigned(tokens, number))
    )
    return _BINDING if bound else _LOAD


def _assigned(tokens: Sequence[Span], number: int) -> bool:
    """Tell whether a row of names, from ``number`` on, is assigned to: ``a, b = …``."""
    for token in tokens[number + 1 : number + 12]:
        text = token.text
        if text == "=":
            return True
        if not (text == "," or text.isspace() or text.isidentifier()) or "\n" in text:
            return False
    return False


def _mark_names(tokens: Sequence[Span], names: list[tuple[int, int]], out: list[int]) -> None:
    counts = Counter(tokens[number].text for number, _ in names)
    bound = {tokens[number].text for number, role in names if role == _BINDING}
    nearly = _Nearly(set(counts) | _KEYWORDS | bound)
    seen: set[str] = set()
    for number, role in names:
        word = tokens[number].text
        others = min(counts[word] - 1, 3)
        origin = 1 if word in bound else 2 if word in _BUILTINS else 0
        like = others == 0 and origin == 0 and nearly.has(word)
        value = ((role * 4 + others) * 3 + origin) * 2 + (word not in seen)
        out[number] = _NAMES + value * 2 + like
        seen.add(word)


class _Nearly:
    """Finds words that one letter more, less or exchanged makes equal, in time linear in their length.

    Two words at most one edit apart share a form with one letter left out (Mor and Fraenkel 1982).
    """

    def __init__(self, words: set[str]) -> None:
        self._words = words
        self._forms: Counter[str] | None = None

    def has(self, word: str) -> bool:
        """Tell whether a word other than ``word`` is spelt nearly like it."""
        if len(word) < 3:
            return False
        if self._forms is None:
            self._forms = Counter(form for known in self._words for form in _shorter(known))
        forms = _shorter(word)
        own = word in self._words
        return (
            word in self._forms
            or word in _BUILTIN_FORMS
            or any(
                self._forms[form] > own or form in _BUILTIN_FORMS or form in self._words or form in _BUILTINS
                for form in forms
            )
        )


@lru_cache(maxsize=1 << 16)
def _shorter(word: str) -> frozenset[str]:
    cuts = range(len(word)) if 3 <= len(word) <= 24 else ()
    return frozenset(word[:at] + word[at + 1 :] for at in cuts)


_BUILTIN_FORMS = frozenset(form for word in _BUILTINS if word[0] != "_" for form in _shorter(word))
