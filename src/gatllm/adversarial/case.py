"""A negative: broken code with its original and the edits between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gatllm.adversarial.pieces import Piece
from gatllm.data.code import Edit, apply, invert
from gatllm.records import sha256

REPLACED = "replaced-token"  # the family of what a language model put in a token's place


@dataclass(frozen=True)
class Case:
    """A broken text, its original, ``edits`` into the broken text that repair it, the kind of error, and its place."""

    broken: str
    text: str
    edits: tuple[tuple[int, int, str], ...]
    family: str
    syntactic: bool
    origin: str
    licence: str = "NOASSERTION"
    source: str = ""

    @classmethod
    def of(cls, piece: Piece, broken: str, edits: Sequence[Edit], family: str, *, syntactic: bool) -> Case:
        """Make a case of a function; ``edits`` go into the broken text."""
        plain = tuple((edit.start, edit.end, edit.text) for edit in edits)
        return cls(broken, piece.text, plain, family, syntactic, piece.origin, piece.licence, piece.source)

    @classmethod
    def replacing(cls, piece: Piece, edits: list[Edit], *, syntactic: bool) -> Case:
        """Make a case of replaced tokens; ``edits`` go into the original."""
        return cls.of(piece, apply(piece.text, edits), invert(piece.text, edits), REPLACED, syntactic=syntactic)

    @classmethod
    def read(cls, value: dict[str, Any]) -> Case:
        """Read what `asdict` gave."""
        return cls(**{**value, "edits": tuple((int(s), int(e), str(t)) for s, e, t in value["edits"])})

    def as_dict(self) -> dict[str, Any]:
        """Return the case as plain values."""
        return asdict(self)

    def record(self) -> dict[str, Any]:
        """Return the case as a record of a negative dataset."""
        return {
            "id": sha256(f"{self.origin}\0{self.broken}".encode())[:16],
            "source": self.source,
            "broken": self.broken,
            "text": self.text,
            "edits": [list(edit) for edit in self.edits],
            "families": [self.family],
            "syntactic": self.syntactic,
            "level": 1 if self.syntactic else 2,
            "distance": 0,
            "licence": self.licence,
            "origin": self.origin,
        }
