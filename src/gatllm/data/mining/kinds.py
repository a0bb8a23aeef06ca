"""What kind of mistake a change repairs, from its tokens and where they stand; named as families of corruption."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gatllm.data.mining.difference import LINE, Difference, Hunk, LineToken
from gatllm.tokenizers.lexing.words import CLOSING, KEYWORDS, OPENING

_COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!=", "is", "in", "is not", "not in"})
_ARITHMETIC = frozenset({"+", "-", "*", "/", "//", "%", "**", "&", "|", "^", "<<", ">>", "+=", "-=", "*=", "/=", "="})
_CONSTANTS = frozenset({"True", "False", "None"})
_NAME = re.compile(r"[^\W\d]\w*")

KINDS = {
    "await": "an `await` too few or too many",
    "return": "a `return` too few",
    "self": "a missing `self`",
    "exception": "the wrong exception caught or raised",
    "mutable-default": "a mutable default argument",
    "default": "another default argument",
    "comparison": "a comparison flipped, its bound moved, or of another kind",
    "arithmetic": "another arithmetic operator",
    "condition": "a condition negated, widened or narrowed",
    "off-by-one": "an integer one too large or too small",
    "constant": "another constant",
    "name": "another name",
    "attribute": "another attribute, or one too few or too many",
    "argument": "arguments of a call: swapped, missing, too many, another",
    "subscript": "another index, key or slice",
    "call": "a call around something, or none any more",
    "indent": "a line in the wrong block",
    "statement": "a statement too few or too many",
    "other": "something else",
}


def kind_of(difference: Difference, hunk: Hunk) -> str:
    """Return the kind of one hunk."""
    old, new = difference.texts(hunk)
    context = _Context(difference.old, hunk)
    return _by_words(old, new, context) or _by_place(old, new, context)


class _Context:
    """Where a hunk stands: the first word of its line, the bracket it is in, the token before it."""

    def __init__(self, pieces: Sequence[LineToken], hunk: Hunk) -> None:
        start = hunk.first
        self.before = pieces[start - 1].key if start else ""
        self.leads = start == 0 or pieces[start - 1].kind == "line"
        line = start
        while line and pieces[line - 1].kind != "line":
            line -= 1
        self.word = pieces[line].key if line < len(pieces) else ""
        self.inside = bracket(pieces, start)[0]
        if self.word == "async" and line + 1 < len(pieces):
            self.word = pieces[line + 1].key


def bracket(pieces: Sequence[LineToken], at: int) -> tuple[str, str]:
    """Return the innermost bracket that is open at a token, and the name before it.

    It is ``call``, ``def``, ``subscript``, ``group`` (a tuple, list, dict or plain brackets) or '' for none.
    """
    depth = 0
    for number in range(at - 1, -1, -1):
        text = pieces[number].key
        if pieces[number].kind == "op" and text in CLOSING:
            depth += 1
        elif pieces[number].kind == "op" and text in OPENING:
            if depth:
                depth -= 1
                continue
            previous = pieces[number - 1] if number else None
            follows = previous is not None and (
                previous.kind == "string"
                or previous.key in ")]"
                or (previous.kind == "name" and previous.key not in KEYWORDS)
            )
            word = previous.key if previous is not None and follows else ""
            if text == "(" and follows:
                return "def" if number > 1 and pieces[number - 2].key in {"def", "class"} else "call", word
            return "subscript" if text == "[" and follows else "group", word
        elif pieces[number].kind == "line" and depth == 0:
            return "", ""
    return "", ""


def _by_words(old: list[str], new: list[str], context: _Context) -> str:  # noqa: PLR0911  # a list of rules
    """By what was put in, taken out or exchanged."""
    added, lost = [w for w in new if w not in old], [w for w in old if w not in new]
    if lost + added == ["await"]:
        return "await"
    if added == ["return"] and LINE not in new:
        return "return"
    if not lost and set(added) in ({"self", "."}, {"self"}, {"self", ","}):
        return "self"
    if LINE in old or LINE in new:
        return "indent" if not set(old + new) - {LINE} else "statement"
    if context.word in {"except", "raise"} and any(_NAME.fullmatch(word) for word in added + lost):
        return "exception"
    if context.inside == "def":
        return "mutable-default" if set(old) & set("[{") else "default"
    return _by_operator(old, new, lost, added)


def _by_operator(old: list[str], new: list[str], lost: list[str], added: list[str]) -> str:
    """Comparisons, conditions, arithmetic, numbers."""
    single = len(old) == len(new) == 1
    if (lost or added) and set(lost + added) <= _COMPARISONS | {"not"} and set(lost + added) != {"not"}:
        return "comparison"
    if {"and", "or", "not"} & set(lost + added):
        return "condition"
    if lost and added and set(lost + added) <= _ARITHMETIC:
        return "arithmetic"
    if single and old[0].isdecimal() and new[0].isdecimal():
        return "off-by-one"
    if single and (old[0] in _CONSTANTS or new[0] in _CONSTANTS or (old[0] + new[0])[0].isdecimal()):
        return "constant"
    return ""


def _by_place(old: list[str], new: list[str], context: _Context) -> str:
    """By what it stands in."""
    if len(old) == len(new) == 1 and _NAME.fullmatch(old[0]) and _NAME.fullmatch(new[0]):
        return "attribute" if context.before == "." else "name"
    wraps = (not old and new[-1:] == ["("]) or (not new and old[-1:] == ["("])
    if wraps:
        return "call"
    if context.inside in {"call", "subscript"}:
        return "argument" if context.inside == "call" else "subscript"
    if "[" in old + new:
        return "subscript"
    if "(" in old + new:
        return "call"
    return "attribute" if "." in old + new or context.before == "." else "other"
