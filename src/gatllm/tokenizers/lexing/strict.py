"""A quick lexer of Python with character offsets: exact on what parses, forgiving on what doesn't.

The standard ``tokenize`` takes most of a millisecond for a function and stops at the first error; this one is a single
regular expression. The tokens, joined, give back the text.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from gatllm.tokenizers.lexing.words import KEYWORDS, OPERATORS

_PATTERN = re.compile(
    r"""(?P<comment>\#[^\n\r]*)
    |(?P<string>(?i:[rubf]|rb|br|rf|fr)?
        (?:\"\"\"(?:[^"\\]|\\[\s\S]|"(?!""))*\"\"\"|'''(?:[^'\\]|\\[\s\S]|'(?!''))*'''
        |"(?:[^"\\\n\r]|\\[\s\S])*"|'(?:[^'\\\n\r]|\\[\s\S])*'))
    |(?P<number>(?:0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+
        |(?:\d[\d_]*\.?(?:\d[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d[\d_]*)?)[jJ]?)
    |(?P<name>[^\W\d]\w*)
    |(?P<newline>\r\n|\n|\r)
    |(?P<space>[ \t\f]+|\\(?:\r\n|\n|\r))
    |(?P<op>"""
    + OPERATORS
    + r""")
    |(?P<other>[\s\S])""",
    re.VERBOSE,
)


class Token(NamedTuple):
    """One token: its kind (comment, string, number, name, keyword, newline, indent, space, op, other) and where it is.

    ``start`` and ``end`` are character offsets.
    """

    kind: str
    start: int
    end: int
    text: str


def lex(text: str) -> list[Token]:
    """Return the tokens of ``text``, white space included; ``indent`` is the space that begins a line."""
    tokens: list[Token] = []
    fresh = True  # at the beginning of a line
    for match in _PATTERN.finditer(text):
        kind = match.lastgroup or "other"
        piece = match.group()
        if kind == "name" and piece in KEYWORDS:
            kind = "keyword"
        elif kind == "space" and fresh:
            kind = "indent"
        tokens.append(Token(kind, match.start(), match.end(), piece))
        fresh = kind == "newline"
    return tokens
