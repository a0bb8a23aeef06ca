"""Edits as one tag per token: from an edit script to tags, and from tags back to a text.

Edit tagging after GECToR (Omelianchuk et al. 2020), over lexemes of code. A tag names what to do at its token; what a
tag can't name (a rare identifier, a second insertion in one gap) is left to the next round: repair is iterated.
"""

from __future__ import annotations

import keyword
from typing import NamedTuple, Protocol

BRACKETS = ("(", ")", "[", "]", "{", "}")
QUOTES = ('"', "'", '"""', "'''")
OPERATORS = (
    ",",
    ":",
    ".",
    "=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "**",
    "//",
    "@",
    "&",
    "|",
    "^",
    "~",
    "<<",
    ">>",
    "<",
    ">",
    "<=",
    ">=",
    "==",
    "!=",
    "+=",
    "-=",
    "*=",
    "/=",
    "//=",
    "%=",
    "**=",
    "|=",
    "&=",
    "^=",
    ">>=",
    "<<=",
    "->",
    ":=",
    ";",
    "...",
    "!",
    "\\",
)
WORDS = (*keyword.kwlist, "match", "case")
NAMES = (
    "self",
    "cls",
    "print",
    "super",
    "len",
    "range",
    "str",
    "int",
    "list",
    "dict",
    "isinstance",
    "_",
    "0",
    "1",
    "f",
    "r",
    "b",
    "s",
)
TEXTS = (*BRACKETS, *QUOTES, *OPERATORS, *WORDS, *NAMES)
CUTS = (" ", *BRACKETS, '"', "'", ".", ",", ":", "=", "+", "-", "*", "/", "%", "**", "==")
SHIFTS = tuple(width for width in range(-12, 13) if width)


class Tag(NamedTuple):
    """What to do at a token: ``action``, and the text it inserts, puts in place, or the columns it moves a line by."""

    action: str
    text: str = ""
    columns: int = 0


KEEP = 0
TAGS: tuple[Tag, ...] = (
    Tag("keep"),
    Tag("delete"),
    Tag("respell"),  # put a known word of nearly the same spelling in place
    Tag("rename"),  # put another name of the text in place
    Tag("insert name"),  # insert some name of the text after the token
    Tag("more"),  # the number is one too small
    Tag("less"),  # the number is one too great
    Tag("swap"),  # exchange with the next token
    Tag("join"),  # no white space between this token and the next
    Tag("split"),  # a line break after the token, indented like this line
    Tag("split deeper"),  # a line break after the token, one level deeper
    Tag("spaces", columns=4),  # tabs of the indentation become spaces, 4 for each
    Tag("spaces", columns=8),
    Tag("level"),  # the line is indented like the one before
    Tag("level deeper"),  # or one level deeper
    Tag("tabs"),  # spaces of the indentation become tabs
    Tag("delete line"),
    *(Tag("shift", columns=columns) for columns in SHIFTS),
    *(Tag("cut", text) for text in CUTS),  # cut the word in two and put the text between
    *(Tag("insert", text) for text in TEXTS),
    *(Tag("replace", text) for text in TEXTS),
)
TAG_IDS = {tag: number for number, tag in enumerate(TAGS)}
DELETE, RESPELL, RENAME, INSERT_NAME = 1, 2, 3, 4


class Span(Protocol):
    """A lexeme: what `Lexicon.lex` yields."""

    @property
    def text(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


def is_line(token: Span) -> bool:
    """Tell whether the token is a line break with its indentation."""
    return "\n" in token.text and not token.text.startswith("\\")


def is_space(token: Span) -> bool:
    """Tell whether the token is nothing but white space inside a line."""
    return token.text.isspace() and "\n" not in token.text


def indentation(text: str) -> str:
    """The white space after the last line break of ``text``."""
    return text[text.rfind("\n") + 1 :]
