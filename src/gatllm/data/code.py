"""A piece of good code made ready for breaking: its tokens by kind, its lines, its syntax tree."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from functools import cached_property, lru_cache
from random import Random
from typing import NamedTuple, TypeVar

from gatllm.data.languages import language
from gatllm.tokenizers.lexing.strict import Token

T = TypeVar("T")


class Edit(NamedTuple):
    """Replace the characters ``start`` to ``end`` by ``text``."""

    start: int
    end: int
    text: str


def apply(text: str, edits: list[Edit]) -> str:
    """Return ``text`` after non-overlapping edits in ascending order; offsets are into ``text``."""
    parts, position = [], 0
    for edit in edits:
        parts += [text[position : edit.start], edit.text]
        position = edit.end
    return "".join([*parts, text[position:]])


def invert(text: str, edits: list[Edit]) -> list[Edit]:
    """Return the edits that turn ``apply(text, edits)`` back into ``text``."""
    back, shift = [], 0
    for edit in edits:
        start = edit.start + shift
        back.append(Edit(start, start + len(edit.text), text[edit.start : edit.end]))
        shift += len(edit.text) - (edit.end - edit.start)
    return back


class Code:
    """Good code with what the corruption families look up; all offsets are characters."""

    def __init__(self, text: str, name: str = "python") -> None:
        self.text = text
        self.language = language(name)
        self.tokens = self.language.lex(text)

    @cached_property
    def solid(self) -> list[Token]:
        """The tokens that are not white space, newline or comment."""
        return [token for token in self.tokens if token.kind not in {"space", "indent", "newline", "comment"}]

    @cached_property
    def by_kind(self) -> dict[str, list[int]]:
        """Indices into `solid` by kind."""
        found: dict[str, list[int]] = {}
        for index, token in enumerate(self.solid):
            found.setdefault(token.kind, []).append(index)
        return found

    @cached_property
    def by_text(self) -> dict[str, list[int]]:
        """Indices into `solid` by text (of operators, keywords and names)."""
        found: dict[str, list[int]] = {}
        for index, token in enumerate(self.solid):
            if token.kind != "string":
                found.setdefault(token.text, []).append(index)
        return found

    @cached_property
    def line_starts(self) -> list[int]:
        """The offset of each line."""
        return [0, *(token.end for token in self.tokens if token.kind == "newline")]

    @cached_property
    def code_lines(self) -> list[tuple[int, int]]:
        """(start, end) of each line that begins with code (not inside a string), line break included."""
        starts = {0, *(token.end for token in self.tokens if token.kind == "newline")}
        lines, begin = [], 0
        has_code = False
        for token in self.tokens:
            if token.start in starts:
                begin, has_code = token.start, False
            has_code |= token.kind not in {"space", "indent", "newline", "comment"}
            if token.kind == "newline" and has_code:
                lines.append((begin, token.end))
        return lines

    @cached_property
    def tree(self) -> object | None:
        """The syntax tree; None when the text does not parse."""
        return self.language.parse(self.text)[0]

    def line_of(self, offset: int) -> int:
        """Return the 1-based line of a character offset."""
        return bisect.bisect_right(self.line_starts, offset)

    def where(self, *texts: str) -> list[int]:
        """Return the indices into `solid` of tokens with one of these texts, in order."""
        if len(texts) == 1:
            return self.by_text.get(texts[0], [])
        return sorted(index for text in texts for index in self.by_text.get(text, ()))


@lru_cache(maxsize=64)
def analyse(text: str, name: str = "python") -> Code:
    """Return ``text`` in the language ``name`` made ready; the same text again costs nothing."""
    return Code(text, name)


def choose(rng: Random, items: list[T]) -> T | None:
    """Return one of ``items``, or None when there are none."""
    return items[rng.randrange(len(items))] if items else None


Operator = Callable[[Code, Random], list[Edit] | None]
