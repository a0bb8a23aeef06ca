"""What differs between two versions of a piece of code: hunks of tokens, and the edits that make one of the other.

Comments, blank lines and line breaks inside brackets do not count, and a docstring is one token that equals any other:
the edits change what the code does and leave the words about it as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import NamedTuple

from gatllm.data.code import Edit
from gatllm.tokenizers.lexing.strict import Token, lex
from gatllm.tokenizers.lexing.words import CLOSING, OPENING

LINE = "\n"
_DOCSTRING = "\0docstring"
_MOST = 20_000  # tokens of one side; longer functions are tables


class LineToken(NamedTuple):
    """A token, or a line break with the indentation after it; equal ``key``: the same to the compiler."""

    key: str
    start: int
    end: int
    kind: str


@dataclass(frozen=True, slots=True)
class Hunk:
    """One place that differs: ``old[first:last]`` became ``new[begin:end]``."""

    first: int
    last: int
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Difference:
    """Two versions as pieces, and where they differ."""

    old: list[LineToken]
    new: list[LineToken]
    hunks: list[Hunk]

    def texts(self, hunk: Hunk) -> tuple[list[str], list[str]]:
        """Return the tokens of a hunk before and after, line breaks as ``\\n``."""
        old, new = self.old[hunk.first : hunk.last], self.new[hunk.begin : hunk.end]
        return [_shown(piece) for piece in old], [_shown(piece) for piece in new]

    def size(self) -> int:
        """Return how many tokens were changed: of each hunk the longer side."""
        sides = (self.texts(hunk) for hunk in self.hunks)
        return sum(max(len([t for t in side if t != LINE]) for side in both) for both in sides)


def _shown(piece: LineToken) -> str:
    return LINE if piece.kind == "line" else piece.key


def pieces(text: str) -> list[LineToken]:
    """Return the tokens of code that matter to the compiler."""
    found: list[LineToken] = []
    depth = 0
    waiting: Token | None = None  # the newline that ended the last line of code
    indent = ""
    for token in lex(text):
        if token.kind == "newline":
            if depth == 0 and found and waiting is None:
                waiting = token
            indent = ""
        elif token.kind == "indent":
            indent = token.text
        elif token.kind not in {"space", "comment"}:
            if waiting is not None:
                found.append(LineToken(f"\n{indent}", waiting.start, token.start, "line"))
                waiting = None
            if token.text in CLOSING and found and found[-1].key == ",":
                found.pop()  # a trailing comma is layout
            if token.kind == "op":
                depth = max(depth + (token.text in OPENING) - (token.text in CLOSING), 0)
            found.append(LineToken(token.text, token.start, token.end, token.kind))
    return _without_docstrings(found)


def _without_docstrings(found: list[LineToken]) -> list[LineToken]:
    """Strings that are statements become one and the same key."""
    out = list(found)
    for number, piece in enumerate(found):
        first = number == 0 or found[number - 1].kind == "line"
        last = number + 1 == len(found) or found[number + 1].kind == "line"
        if piece.kind == "string" and first and last:
            out[number] = piece._replace(key=_DOCSTRING)
    return out


def compare(old: str, new: str) -> Difference | None:
    """Return what differs; None where a side is too long to compare."""
    left, right = pieces(old), pieces(new)
    if max(len(left), len(right)) > _MOST:
        return None
    head = 0
    while head < min(len(left), len(right)) and left[head].key == right[head].key:
        head += 1
    tail = 0
    while tail < min(len(left), len(right)) - head and left[-1 - tail].key == right[-1 - tail].key:
        tail += 1
    inner = (
        [piece.key for piece in left[head : len(left) - tail]],
        [piece.key for piece in right[head : len(right) - tail]],
    )
    if len(inner[0]) * len(inner[1]) > 4_000_000:
        return None
    hunks: list[Hunk] = []
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, *inner, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        hunk = Hunk(head + i1, head + i2, head + j1, head + j2)
        # One token between two changes is not a boundary: `a, b` → `b, a` is one hunk.
        if hunks and hunk.first - hunks[-1].last <= 1:
            hunk = Hunk(hunks[-1].first, hunk.last, hunks[-1].begin, hunk.end)
            hunks.pop()
        hunks.append(hunk)
    return Difference(left, right, hunks)


def edits(difference: Difference, old: str, new: str) -> list[Edit]:
    """Return the edits of ``old`` that make the hunks of ``new``; words around them stay those of ``old``."""
    return [_edit(difference, hunk, old, new) for hunk in difference.hunks]


def _edit(difference: Difference, hunk: Hunk, old: str, new: str) -> Edit:
    left, right = difference.old, difference.new
    if hunk.first < hunk.last and hunk.begin < hunk.end:
        start, end = left[hunk.first].start, left[hunk.last - 1].end
        return Edit(start, end, new[right[hunk.begin].start : right[hunk.end - 1].end])
    # Between the neighbours: what stood there, or what stands there now.
    gone, put = _between(left, hunk.first, hunk.last, old), _between(right, hunk.begin, hunk.end, new)
    (start, end), (begin, stop) = gone, put
    if hunk.first == hunk.last:
        words = new[right[hunk.begin].start : right[hunk.end - 1].end]
        before, after = new[begin : right[hunk.begin].start], new[right[hunk.end - 1].end : stop]
        if after == old[start:end]:
            return Edit(start, start, before + words)
        return Edit(end, end, words + after) if before == old[start:end] else Edit(start, end, new[begin:stop])
    before, after = old[start : left[hunk.first].start], old[left[hunk.last - 1].end : end]
    if after == new[begin:stop]:
        return Edit(start, left[hunk.last - 1].end, "")
    return Edit(left[hunk.first].start, end, "") if before == new[begin:stop] else Edit(start, end, new[begin:stop])


def _between(side: list[LineToken], first: int, last: int, text: str) -> tuple[int, int]:
    """Where the token before ``first`` ends and token ``last`` starts."""
    return side[first - 1].end if first else 0, side[last].start if last < len(side) else len(text)


def line_of(side: list[LineToken], at: int) -> list[LineToken]:
    """Return the tokens of the logical line that token ``at`` is in."""
    at = min(at, len(side) - 1)
    first, last = at, at
    while first > 0 and side[first - 1].kind != "line":
        first -= 1
    while last < len(side) and side[last].kind != "line":
        last += 1
    return side[first:last]
