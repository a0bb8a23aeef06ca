"""Signed transactions, kept until they are final: what a crash cut off is taken up, never sent a second time."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from gatllm.errors import GatllmError
from gatllm.records import write_file


@dataclass(slots=True)
class Outgoing:
    """One call on its way; ``raws`` are its signed forms (one per fee), all with the same nonce."""

    call: str  # the digest of receiver, data and value
    nonce: int
    raws: list[str]
    hashes: list[str]
    max_fee: int  # wei a unit of gas, of the last form
    tip: int


class Outbox:
    """The open transactions of one account on one chain, in a file; in memory when ``path`` is None."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._memory: list[Outgoing] = []

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the account's nonces against other processes of this machine."""
        if self.path is None:
            yield
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def entries(self) -> list[Outgoing]:
        """Return what is open, oldest first.

        Raises:
            GatllmError: the file is damaged.
        """
        if self.path is None or not self.path.exists():
            return list(self._memory)
        try:
            return [Outgoing(**entry) for entry in json.loads(self.path.read_text(encoding="utf-8"))]
        except (ValueError, TypeError) as error:
            raise GatllmError(
                f"{self.path} is damaged ({error})", "look up the account's transactions, then remove the file"
            ) from None

    def put(self, entry: Outgoing) -> None:
        """Keep ``entry``, in place of the one with its nonce."""
        self._write([*(e for e in self.entries() if e.nonce != entry.nonce), entry])

    def remove(self, entry: Outgoing) -> None:
        """Forget ``entry``: it is final, or will never be mined."""
        self._write([e for e in self.entries() if e.nonce != entry.nonce])

    def _write(self, entries: list[Outgoing]) -> None:
        entries.sort(key=lambda entry: entry.nonce)
        if self.path is None:
            self._memory = entries
        else:
            write_file(self.path, json.dumps([asdict(entry) for entry in entries], indent=1) + "\n")
