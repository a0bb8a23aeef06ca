"""The typo model: how much likelier an edit is because it undoes a slip of the hand (a noisy channel).

The model says which edit makes good code; what people do wrong it has to count from letters that it does not see: a
word typed twice, two letters exchanged, an operator of another language (Kernighan, Church and Gale 1990).
"""

from __future__ import annotations

import keyword
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from gatllm.review.edits import Edit
from gatllm.review.tags import BRACKETS, DELETE, QUOTES, TAG_IDS, TAGS, Span, Tag, indentation, is_line, is_space
from gatllm.tokenizers.lexing.lenient import after_quote
from gatllm.tokenizers.lexing.words import KEYWORDS

# In log-odds, added to the model's. The order is the rule: another language's operator has no other meaning; a keyword
# one letter off is hardly ever a name; a word twice, a tab among spaces, a bracket after a dot are now and then meant.
_TWICE = 5.0  # that a word typed twice is one too many
_MARK_TWICE = 2.0  # the same of an operator, which Python itself doubles (`**`, `//`)
_TYPO = 7.0  # that a keyword is meant by a word that is one slip away from it
_FOREIGN = 12.0  # that an operator of another language is meant as it is meant there
_MOST_FOREIGN = 4
_CONDITIONS = frozenset({"if", "elif", "while", "assert", "return", "and", "or", "not"})
_OPERATORS = {
    ("|", "|"): "or",
    ("&", "&"): "and",
    ("^", "^"): "**",
    ("<", ">"): "!=",
    ("==", "="): "==",
    ("=", "<"): "<=",
}
_DOT_BEFORE_BRACKET = 5.0  # log-odds that a bracket after a dot changed places with the name after it
_TAB = 5.0  # log-odds that the only tab in front of a line stands for spaces
_TABS = tuple(number for number, tag in enumerate(TAGS) if tag.action in ("spaces", "level", "level deeper"))
_SWAP = TAG_IDS[Tag("swap")]
_WORDS = {"elseif": "elif", "elsif": "elif"}  # of other languages
_KEYWORDS = tuple(word for word in sorted(KEYWORDS) if len(word) > 1)


def typos(tokens: Sequence[Span]) -> dict[tuple[int, int], float]:
    """Return (token, tag) of edits that undo a slip, with the log-odds that this adds to them."""
    found: dict[tuple[int, int], float] = {}
    solid = [number for number, token in enumerate(tokens) if token.text and not is_space(token)]
    for before, number in pairwise(solid):
        text = tokens[number].text
        if text == tokens[before].text and not is_line(tokens[number]) and text not in (*BRACKETS, *QUOTES, "."):
            found[before, DELETE] = found[number, DELETE] = _TWICE if _is_word(text) else _MARK_TWICE
        if text in BRACKETS and tokens[before].text == ".":
            found[number, _SWAP] = _DOT_BEFORE_BRACKET
    tabbed = [number for number in solid if is_line(tokens[number]) and "\t" in indentation(tokens[number].text)]
    if len(tabbed) == 1:
        found.update({(tabbed[0], tag): _TAB for tag in _TABS})
    counts = Counter(token.text for token in tokens)
    for word, count in counts.items():
        meant = [known for known in _KEYWORDS if is_typo(word, known)] if count == 1 and word.isidentifier() else []
        meant += [_WORDS[word]] if word in _WORDS else []
        for number, token in enumerate(tokens) if meant else ():
            if token.text == word:
                found.update({(number, TAG_IDS[Tag("replace", known)]): _TYPO for known in meant})
    return found


def foreign(tokens: Sequence[Span], at: int) -> list[tuple[list[float], list[Edit]]]:
    """Return what makes foreign operators Python's: (log-odds, edits), those near the offset ``at`` first.

    What stands in a string stays.
    """
    found: list[tuple[int, int, str]] = []
    quote, condition = "", False
    for number, (first, second) in enumerate(pairwise(tokens)):
        if first.text in QUOTES:
            quote = after_quote(quote, first.text)
        elif is_line(first):
            quote, condition = quote if len(quote) == 3 else "", second.text in _CONDITIONS
        if quote or first.end != second.start:
            continue
        meant = _OPERATORS.get((first.text, second.text))
        if condition and (first.text, second.text) == ("=", ">"):  # elsewhere an arrow
            meant = ">="
        if meant is not None:
            found.append((abs(first.start - at), number, meant))
    return [
        ([_FOREIGN, 0.0], [Edit(number, TAG_IDS[Tag("replace", meant)]), Edit(number + 1, DELETE)])
        for _, number, meant in sorted(found)[:_MOST_FOREIGN]
    ]


def is_typo(word: str, meant: str) -> bool:
    """Tell whether one letter more, less, other or two exchanged make ``word`` of ``meant`` (Damerau 1964)."""
    if abs(len(word) - len(meant)) > 1 or len(word) < 2 or word == meant or keyword.iskeyword(word):
        return False
    head = next((at for at, (a, b) in enumerate(zip(word, meant, strict=False)) if a != b), min(len(word), len(meant)))
    rest, other = word[head:], meant[head:]
    return (
        rest[1:] == other
        or rest == other[1:]
        or rest[1:] == other[1:]
        or (rest[:2] == other[1::-1] and rest[2:] == other[2:])
    )


def _is_word(text: str) -> bool:
    return text.isidentifier() or text.isdigit()
