"""What a source yields: one file, text, pair or conversation, with where it comes from and under which licence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gatllm.data.sources.licences import UNKNOWN

Content = Literal["code", "text", "pair", "conversation"]


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One item of a source.

    ``origin`` is stable: ``stdlib:json/decoder.py``. The bytes lie at ``path`` or in ``data``; those of a pair are its
    answer, with the question in ``prompt``; a conversation has ``messages`` instead. ``problem`` (rule, message) says
    why an item is bad before anyone looked into it.
    """

    origin: str
    licence: str = UNKNOWN
    path: Path | None = None
    data: bytes | None = None
    content: Content = "code"
    language: str = "python"
    prompt: str = ""
    messages: tuple[tuple[str, str], ...] = ()
    problem: tuple[str, str] | None = None

    def size(self) -> int:
        """Return how many bytes it has.

        Raises:
            OSError: it can't be looked at.
        """
        if self.path is not None:
            return self.path.stat().st_size
        return len(self.data or b"")

    def read(self) -> bytes:
        """Return its bytes.

        Raises:
            OSError: it can't be read.
        """
        return self.path.read_bytes() if self.path is not None else self.data or b""
