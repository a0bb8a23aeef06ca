"""What an editor has open: the texts, kept as it changes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from gatllm.editor.positions import Lines


@dataclass(slots=True)
class Document:
    """A text that an editor has open; ``edited`` are the lines (from 0) that its last change touched."""

    uri: str
    text: str
    version: int | None = None
    edited: range = range(0)
    lines: Lines = field(init=False)

    def __post_init__(self) -> None:
        self.lines = Lines(self.text)

    @property
    def path(self) -> str:
        """The file's path; a name that ruff can go by where there is no file."""
        parts = urlsplit(self.uri)
        return unquote(parts.path) if parts.scheme == "file" and parts.path else "untitled.py"

    @property
    def is_cell(self) -> bool:
        """Whether this is a cell of a notebook: names come from other cells, magics are not Python."""
        return urlsplit(self.uri).scheme.startswith("vscode-notebook")

    def change(self, changes: list[dict[str, Any]], version: int | None) -> Document:
        """Return the document after content changes, each the whole text or a range of it."""
        text, lines, edited = self.text, self.lines, self.edited
        for one in changes:
            new = str(one["text"])
            if one.get("range") is None:
                before, text, lines = lines, new, Lines(new)
                edited = _differing(before, lines)
            else:
                start, end = (lines.offset(one["range"][side]) for side in ("start", "end"))
                text = text[:start] + new + text[max(end, start) :]
                lines = Lines(text)
                first = lines.position(start)["line"]
                edited = range(first, lines.position(start + len(new))["line"] + 1)
        changed = Document(self.uri, text, version, edited)
        return changed


def _differing(before: Lines, after: Lines) -> range:
    """The lines of ``after`` between what both texts begin and end with."""
    old = [before.line(row) for row in range(len(before))]
    new = [after.line(row) for row in range(len(after))]
    most = min(len(old), len(new))
    head = next((n for n in range(most) if old[n] != new[n]), most)
    tail = next((n for n in range(most - head) if old[-1 - n] != new[-1 - n]), most - head)
    return range(head, max(len(new) - tail, head + 1))
