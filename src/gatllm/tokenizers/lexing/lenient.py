"""Cuts any text into Python-like lexemes, also text that Python's own tokenizer refuses.

Nothing is inferred from quotes that may be missing: the words inside a string are lexemes like those of code. What only
costs length is folded: a comment is one lexeme, blank lines belong to the line break, and a run of plain prose (three
pairs of neighbouring words that code never puts side by side) is one lexeme.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from gatllm.tokenizers.lexing.words import OPERATORS, STATEMENT_WORDS

_PATTERN = re.compile(
    r"""
    (?P<line>[ \t\f]*(?:\r?\n[ \t\f]*)+)
  | (?P<space>[ \t\f]+)
  | (?P<joined>\\\r?\n[ \t\f]*)
  | (?P<comment>\#[^\n]*)
  | (?P<prose>[A-Za-z]\w*(?:['-][a-z]+)?(?:[,.;:]?[ ][A-Za-z]\w*(?:['-][a-z]+)?){3,})
  | (?P<name>[^\W\d]\w*)
  | (?P<number>0[xX][0-9a-fA-F_]+|0[bBoO][0-7_]+|(?:\d[\d_]*)?\.?\d[\d_]*\.?(?:[eE][+-]?\d+)?[jJ]?)
  | (?P<quote>\"\"\"|'''|["'])
  | (?P<escape>\\.)
  | (?P<operator>"""
    + OPERATORS
    + r""")
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)

_PLAIN = re.compile(re.sub(r"\n  \| \(\?P<prose>[^\n]*", "", _PATTERN.pattern), re.VERBOSE | re.DOTALL)  # no prose
_PAIRS = 3


class Lexeme(NamedTuple):
    """One lexeme: ``kind`` (a group of the pattern), its text, and its character offsets in the source."""

    kind: str
    text: str
    start: int
    end: int


def lexemes(text: str) -> Iterator[Lexeme]:
    """Yield the lexemes of ``text`` in order; their texts concatenate to ``text``, whatever it is."""
    return map(Lexeme._make, scan(text))


@lru_cache(maxsize=16)  # several questions are asked about the same few versions of a text, one after the other
def all_lexemes(text: str) -> tuple[Lexeme, ...]:
    """Return the lexemes of ``text`` at once."""
    return tuple(lexemes(text))


def scan(text: str) -> Iterator[tuple[str, str, int, int]]:
    """Yield what `lexemes` does, as plain tuples: half the time."""
    at, size, quote, plain = 0, len(text), "", 0  # before `plain` no prose begins
    while at < size:
        found = (_PATTERN if at >= plain else _PLAIN).match(text, at)
        if found is None or found.lastgroup is None:  # pragma: no cover - the last alternative takes any character
            raise AssertionError(at)
        kind, end = found.lastgroup, found.end()
        if kind == "quote":
            quote = after_quote(quote, text[at:end])
        elif kind == "line" and len(quote) == 1:
            quote = ""
        elif kind == "comment" and quote:
            kind, end = "other", at + 1
        elif kind == "prose" and (before := _before_prose(text[at:end])):
            plain = at + before
            kind, end = "name", _NAME.match(text, at).end()  # type: ignore[union-attr]  # it begins with a letter
        yield kind, text[at:end], at, end
        at = end


def bare(text: str) -> Iterator[tuple[Lexeme, bool]]:
    """Yield the lexemes of ``text``, and whether each stands outside strings and comments."""
    quote = ""
    for lexeme in lexemes(text):
        if lexeme.kind == "line" and len(quote) == 1:
            quote = ""
        yield lexeme, not quote and lexeme.kind not in ("quote", "comment")
        if lexeme.kind == "quote":
            quote = after_quote(quote, lexeme.text)


@lru_cache(maxsize=16)  # rules ask about the same text, one after the other
def all_bare(text: str) -> tuple[tuple[Lexeme, bool], ...]:
    """Return what `bare` yields at once."""
    return tuple(bare(text))


@lru_cache(maxsize=64)
def outside_strings(line: str) -> tuple[bool, ...]:
    """Tell for each character of a line of code whether it stands outside strings and comments."""
    return tuple(outside for lexeme, outside in bare(line) for _ in lexeme.text)


def after_quote(opened: str, quote: str) -> str:
    """Tell which quote is open after ``quote`` when ``opened`` was open before it."""
    if not opened:
        return quote
    return "" if quote == opened else opened


_WORD = re.compile(r"[A-Za-z]\w*(?:['-][a-z]+)?[,.;:]?")
_NAME = re.compile(r"[A-Za-z]\w*")


def _before_prose(run: str) -> int:
    """Where in a run of words prose may begin: at its last word, which may be the first of another, if not before.

    A statement may begin like a sentence ("return the value of …"), so that prose begins with another word. Told for
    the whole run at once: what is asked word by word takes the square of its length.
    """
    words = list(_WORD.finditer(run))
    plain = [word[0].rstrip(",.;:") not in STATEMENT_WORDS for word in words]
    pairs = [
        words[i][0][-1] not in ",.;:" and plain[i] and plain[i + 1] for i in range(len(words) - 1)
    ]  # neighbours that code never puts side by side
    left = sum(pairs)
    for word, pair in zip(words, [*pairs, False], strict=True):
        if left < _PAIRS:
            break
        if word[0] not in STATEMENT_WORDS:
            return word.start()
        left -= pair
    return words[-1].start()
