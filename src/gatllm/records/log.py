"""A log in which every line carries the hash of the line before: what was written can't be edited unseen."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gatllm.errors import GatllmError, VerificationError
from gatllm.records.canonical import canonical_bytes, sha256

GENESIS = "0" * 64


class HashLog:
    """An append-only JSONL file; each line is canonical JSON with ``seq``, ``time``, ``event`` and ``prev``.

    ``prev`` is the SHA-256 of the line before (without its newline), and `head` that of the last line. Opening
    a log that a crash cut in the middle of a line drops that line; everything before it must be whole.

    Raises:
        VerificationError: a line of the existing log is damaged.
        GatllmError: the file can't be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.head = GENESIS
        self.size = 0
        if path.exists():
            self._drop_torn_line()
            for line, _ in _checked_lines(path):
                self.head = sha256(line)
                self.size += 1
        try:
            self._file = path.open("ab")
        except OSError as error:
            raise GatllmError(f"can't write {path}: {error.strerror}", "check the folder and its permissions") from None

    def _drop_torn_line(self) -> None:
        with self.path.open("rb+") as file:
            data = file.read()
            whole = data.rfind(b"\n") + 1
            if whole < len(data):
                file.truncate(whole)

    def append(self, event: str, *, durable: bool = False, **fields: Any) -> str:
        """Write one entry and return the new `head`; ``durable`` waits until it is on the disk."""
        entry = {
            "seq": self.size,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "event": event,
            "prev": self.head,
            **fields,
        }
        line = canonical_bytes(entry)
        try:
            self._file.write(line + b"\n")
            self._file.flush()
            if durable:
                os.fsync(self._file.fileno())
        except OSError as error:
            raise GatllmError(f"can't write {self.path}: {error.strerror}", "free some space and resume") from None
        self.head = sha256(line)
        self.size += 1
        return self.head

    def close(self) -> None:
        """Flush to the disk and close."""
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _checked_lines(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    previous = GENESIS
    with path.open("rb") as file:
        for number, raw in enumerate(file):
            where = f"{path.name} line {number + 1}"
            if not raw.endswith(b"\n"):
                raise VerificationError(f"{where} is cut off")
            line = raw[:-1]
            try:
                entry = json.loads(line)
            except ValueError:
                raise VerificationError(f"{where} is not JSON") from None
            if not isinstance(entry, dict) or entry.get("seq") != number:
                raise VerificationError(f"{where} is out of order")
            if entry.get("prev") != previous:
                raise VerificationError(f"{where} does not follow from the line before it")
            previous = sha256(line)
            yield line, entry


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return all entries of a log whose chain of hashes holds.

    Raises:
        VerificationError: a line was changed, dropped, moved or cut off; the message names it.
        GatllmError: there is no such log.
    """
    if not path.is_file():
        raise GatllmError(f"{path} is missing", "name a folder that holds a log.jsonl")
    return [entry for _, entry in _checked_lines(path)]


def log_head(path: Path) -> str:
    """Return the hash of the last line of a log whose chain holds (`GENESIS` when it is empty)."""
    head = GENESIS
    for line, _ in _checked_lines(path):
        head = sha256(line)
    return head
