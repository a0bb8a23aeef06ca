"""What a build has already judged, so that one that was stopped can resume."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gatllm.errors import GatllmError
from gatllm.records import digest


class Journal:
    """Verdicts by content, in a file beside the dataset that is being made; removed when that is finished.

    A line that a crash cut off is ignored. Verdicts under other rules are not taken over.
    """

    def __init__(self, out: Path, rules: Any) -> None:
        self.path = out.with_name(f".{out.name}.progress.jsonl")
        self._head = {"rules": digest(rules)}
        self._known: dict[str, list[dict[str, Any]]] = {}
        fresh = not self._load()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("w" if fresh else "a", encoding="utf-8")
            if fresh:
                self._write(self._head)
                for sha256, reasons in self._known.items():
                    self.note(sha256, reasons)
        except OSError as error:
            raise GatllmError(f"can't write {self.path}: {error.strerror}", "check space and permissions") from None

    def _load(self) -> bool:
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError:
            return False
        entries = []
        for line in lines[:-1]:  # what follows the last line break is nothing, or torn
            try:
                entries.append(json.loads(line))
            except ValueError:
                break
        if not entries or entries[0] != self._head:
            return False
        self._known = {entry["sha256"]: entry["reasons"] for entry in entries[1:]}
        return len(entries) == len(lines) - 1 and lines[-1] == ""

    def __len__(self) -> int:
        return len(self._known)

    def get(self, sha256: str) -> list[dict[str, Any]] | None:
        """Return the reasons noted for this content; None when it has not been judged."""
        return self._known.get(sha256)

    def note(self, sha256: str, reasons: list[dict[str, Any]]) -> None:
        """Remember a verdict."""
        self._write({"sha256": sha256, "reasons": reasons})

    def _write(self, entry: dict[str, Any]) -> None:
        try:
            self._file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise GatllmError(
                f"can't write {self.path}: {error.strerror}", "free some space and run it again"
            ) from None

    def flush(self) -> None:
        """Make what was noted survive a crash of this process."""
        self._file.flush()

    def close(self, *, finished: bool) -> None:
        """Close; a finished build needs it no more."""
        self._file.close()
        if finished:
            self.path.unlink(missing_ok=True)
