"""The record of how an answer came about: each entry carries the hash of the one before."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gatllm.records import GENESIS, canonical_bytes, sha256, write_file


class Transcript:
    """Entries in memory, in the form of `records.HashLog`; saved, `records.read_log` reads and checks them."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.head = GENESIS

    def add(self, event: str, **fields: Any) -> str:
        """Append one entry and return the hash of the chain so far."""
        entry = {
            "seq": len(self.entries),
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "event": event,
            "prev": self.head,
            **fields,
        }
        self.head = sha256(canonical_bytes(entry))
        self.entries.append(entry)
        return self.head

    def save(self, path: Path) -> None:
        """Write the entries as a log file."""
        write_file(path, b"".join(canonical_bytes(entry) + b"\n" for entry in self.entries))
