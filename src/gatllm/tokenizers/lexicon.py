"""The discriminator's tokenizer: whole lexemes with their places, so that a tag per token is an edit of the source."""

from __future__ import annotations

import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from gatllm.errors import GatllmError
from gatllm.tokenizers.base import END, PAD, TokenizerBase
from gatllm.tokenizers.lexing.lenient import scan

_SPECIALS = (PAD, END, "<begin>", "<prose>", "<comment>", "<comment with quote>", "<number>", "<float>", "<other>")
_SHAPES = ("lower", "Capital", "UPPER", "_private")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+")
_BUCKETS = 96  # per shape, with and without a space before


class Lexeme(NamedTuple):
    """A token of the text: its id, its characters, where they begin and end (character offsets), and its mark.

    The mark (`review.structure`) is what the surroundings say of it; 0 where nobody asked.
    """

    id: int
    text: str
    start: int
    end: int
    mark: int = 0


@dataclass(frozen=True)
class Lexicon(TokenizerBase):
    """The most frequent lexemes, with and without a space before; other names fall into hashed buckets by shape.

    A single space is part of the lexeme that follows it (``" ="``), as a flag of the id; the lexeme's own offsets leave
    it out. Longer runs of white space are lexemes. A line break and the indentation after it are one lexeme, and blank
    lines belong to it.
    """

    words: tuple[str, ...]
    _ids: dict[str, int] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        base = len(_SPECIALS) + 2 * _BUCKETS * len(_SHAPES)
        self._ids.update({word: base + number for number, word in enumerate(self.words)})
        self._ids.update({word: number for number, word in enumerate(_SPECIALS)})

    @property
    def kind(self) -> str:
        """``lexicon``."""
        return "lexicon"

    @property
    def specials(self) -> dict[str, int]:  # type: ignore[override]  # read-only here
        """Padding, the end, and the beginning that a text is judged with."""
        return {word: number for number, word in enumerate(_SPECIALS[:3])}

    @property
    def begin_id(self) -> int:
        """The id that goes before the first token, so that something can be inserted there."""
        return 2

    @property
    def size(self) -> int:
        """Number of ids."""
        return len(_SPECIALS) + 2 * _BUCKETS * len(_SHAPES) + len(self.words)

    @cached_property
    def subwords(self) -> frozenset[str]:
        """What the names among the words are put together of, in small letters: ``read`` and ``csv``."""
        return frozenset(part for word in self.words for part in subwords(word.strip()) if word.strip().isidentifier())

    @classmethod
    def train(cls, texts: Iterable[str], size: int = 6000) -> Lexicon:
        """Keep the most frequent lexemes of ``texts``, so that all ids together are ``size``.

        Raises:
            GatllmError: ``size`` leaves no room for words.
        """
        room = size - len(_SPECIALS) - 2 * _BUCKETS * len(_SHAPES)
        if room < 1:
            raise GatllmError(f"a lexicon of {size} has no room for words", f"choose at least {size - room + 1}")
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(
                word for word, _ in _words(text) if (word not in _SPECIALS and word.isprintable()) or word[0] == "\n"
            )
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return cls(tuple(word for word, _ in ranked[:room]))

    def lex(self, text: str) -> list[Lexeme]:
        """Cut ``text`` into lexemes, ascending; between two of them there is at most one space."""
        ids = self._ids
        out = []
        for word, (_, exact, start, end) in _words(text):
            number = ids.get(word)
            out.append(Lexeme(self._bucket(word) if number is None else number, exact, start, end, 0))
        return out

    def encode(self, text: str) -> list[int]:
        """Token ids of ``text``; unlike `lex`, which keeps the text, this forgets how rare names were spelt."""
        return [lexeme.id for lexeme in self.lex(text)]

    def decode(self, ids: Sequence[int]) -> str:
        """A readable rendering: frequent lexemes exactly, folded and rare ones as ``⟨…⟩``."""
        base = self.size - len(self.words)
        return "".join(self.words[i - base] if i >= base else self._mark(i) for i in ids if i > 1)

    def to_json(self) -> str:
        """The whole tokenizer as JSON."""
        return json.dumps(self._state(), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Lexicon:
        """Read what `to_json` wrote.

        Raises:
            GatllmError: it is something else.
        """
        try:
            state = json.loads(text)
            if state["kind"] != "lexicon" or state["version"] != 1:
                raise ValueError(state["kind"])
            return cls(tuple(str(word) for word in state["words"]))
        except (ValueError, KeyError, TypeError):
            raise GatllmError("this is not a lexicon", "name the tokenizer.json of a discriminator") from None

    def _state(self) -> dict[str, object]:
        return {"kind": "lexicon", "version": 1, "words": list(self.words)}

    def _mark(self, number: int) -> str:
        if number < len(_SPECIALS):
            return "" if number == self.begin_id else f"⟨{_SPECIALS[number][1:-1]}⟩"
        space, rest = divmod(number - len(_SPECIALS), _BUCKETS * len(_SHAPES))
        return f"{' ' * space}⟨{_SHAPES[rest // _BUCKETS]}{rest % _BUCKETS}⟩"

    def _bucket(self, word: str) -> int:
        """Id of a name that the lexicon lacks: by shape and hash, so that equal names get equal ids."""
        name = word.removeprefix(" ")
        kind = 3 if name[0] == "_" else 2 if name.isupper() else 1 if name[0].isupper() else 0
        spaced = len(name) < len(word)
        slot = (kind + spaced * len(_SHAPES)) * _BUCKETS + zlib.crc32(name.encode("utf-8", "surrogatepass")) % _BUCKETS
        return len(_SPECIALS) + slot


def subwords(name: str) -> list[str]:
    """Return the words that a name is put together of, in small letters; a number is one too."""
    return [part.lower() for part in _PARTS.findall(name)]


def _words(text: str) -> Iterable[tuple[str, tuple[str, str, int, int]]]:
    """Yield what the lexicon looks up for each lexeme, and the lexeme; a single space is folded into the next word."""
    spaced = False
    for piece in scan(text):
        kind, exact, _start, end = piece
        if kind == "space" and exact == " " and not spaced and end < len(text) and text[end] not in "\r\n#\\":
            spaced = True
            continue
        if kind in {"name", "operator", "quote", "escape"}:
            word = " " + exact if spaced else exact
        elif kind == "line":
            word = "\n" + _indent(exact)
        elif kind == "number":
            word = exact if len(exact) <= 2 else "<float>" if "." in exact else "<number>"
            word = " " + word if spaced and len(exact) <= 2 else word
        elif kind == "prose":
            word = "<prose>"
        elif kind == "comment":
            word = "<comment with quote>" if '"' in exact or "'" in exact else "<comment>"
        elif kind == "space":
            word = "  "
        elif kind == "joined":
            word = "\\\n"
        else:
            word = exact if exact in "#!?$`\\" else "<other>"
        spaced = False
        yield word, piece


def _indent(text: str) -> str:
    """The white space after the last line break, form feeds dropped; deep indentation ends at 40 columns."""
    return text[text.rfind("\n") + 1 :].replace("\f", "")[:40]
