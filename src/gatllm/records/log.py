"""A log in which every line carries the hash of the line before: what was written can't be edited unseen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gatllm.errors import GatllmError, VerificationError
from gatllm.records.canonical import canonical_bytes, parse, sha256
from gatllm.system import lock

GENESIS = "0" * 64
_BLOCK = 1 << 16


class HashLog:
    """An append-only JSONL file; each line is canonical JSON with ``seq``, ``time``, ``event`` and ``prev``.

    ``prev`` is the SHA-256 of the line before (without its newline), and `head` that of the last line. Opening
    a log that a crash cut in the middle of a line drops that line; everything before it must be whole. One process
    writes at a time: the file is locked while it is open.

    Raises:
        VerificationError: a line of the existing log is damaged.
        GatllmError: the file can't be written, or another process is writing it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.head = GENESIS
        self.size = 0
        self._time = ""  # of the last line
        try:
            # Unbuffered: a line reaches the system in one call, so that a kill leaves whole lines.
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise GatllmError(f"can't write {path}: {error.strerror}", "check the folder and its permissions") from None
        try:
            lock(self._file, wait=False)
            self._drop_torn_line()
            for line, entry in _checked_lines(path):
                self.head = sha256(line)
                self.size += 1
                self._time = max(self._time, entry["time"])
        except BlockingIOError:
            self._file.close()
            raise GatllmError(f"another process is writing {path}", "wait for it or stop it") from None
        except BaseException:
            self._file.close()
            raise
        self._end = self._file.seek(0, os.SEEK_END)

    def _drop_torn_line(self) -> None:
        with self.path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            whole, tail = end, b""
            while whole > 0 and b"\n" not in tail:
                start = max(0, whole - _BLOCK)
                file.seek(start)
                tail = file.read(whole - start)
                whole = start + tail.rfind(b"\n") + 1
        if whole < end:
            self._file.truncate(whole)

    def append(self, event: str, *, durable: bool = False, **fields: Any) -> str:
        """Write one entry and return the new `head`; ``durable`` waits until it is on the disk."""
        # A clock that was set back (or another machine's) must not put a later line before an earlier one.
        now = max(self._time, datetime.now(UTC).isoformat(timespec="milliseconds"))
        entry = {
            "seq": self.size,
            "time": now,
            "event": event,
            "prev": self.head,
            **fields,
        }
        line = canonical_bytes(entry)
        try:
            rest = memoryview(line + b"\n")
            while rest:
                rest = rest[self._file.write(rest) :]
            if durable:
                os.fsync(self._file.fileno())
        except OSError as error:
            self._file.truncate(self._end)  # half a line in the middle of the file would break the chain for good
            raise GatllmError(f"can't write {self.path}: {error.strerror}", "free some space and resume") from None
        self._end += len(line) + 1
        self.head, self._time = sha256(line), now
        self.size += 1
        return self.head

    def close(self) -> None:
        """Make what was written durable and close."""
        if not self._file.closed:
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
                entry = parse(line)
            except ValueError:
                raise VerificationError(f"{where} is not JSON") from None
            if not _is_canonical(line, entry):
                raise VerificationError(f"{where} is not canonical JSON: a key twice, or other spelling")
            if not isinstance(entry, dict) or not all(isinstance(entry.get(name), str) for name in ("event", "time")):
                raise VerificationError(f"{where} is not an entry of a log")
            if type(entry.get("seq")) is not int or entry["seq"] != number:
                raise VerificationError(f"{where} is out of order")
            if entry.get("prev") != previous:
                raise VerificationError(f"{where} does not follow from the line before it")
            previous = sha256(line)
            yield line, entry


def _is_canonical(line: bytes, entry: object) -> bool:
    # Of a key that stands twice readers see one value or the other: a log may say only one thing.
    try:
        return canonical_bytes(entry) == line
    except GatllmError:
        return False


def _require(path: Path) -> None:
    if not path.is_file():
        raise GatllmError(f"{path} is missing", "name a folder that holds a log.jsonl")


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return all entries of a log whose chain of hashes holds.

    Raises:
        VerificationError: a line was changed, dropped, moved or cut off; the message names it.
        GatllmError: there is no such log.
    """
    _require(path)
    return [entry for _, entry in _checked_lines(path)]


def log_head(path: Path) -> str:
    """Return the hash of the last line of a log whose chain holds (`GENESIS` when it is empty).

    Raises:
        VerificationError: a line was changed, dropped, moved or cut off; the message names it.
        GatllmError: there is no such log.
    """
    _require(path)
    head = GENESIS
    for line, _ in _checked_lines(path):
        head = sha256(line)
    return head
