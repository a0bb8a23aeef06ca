"""Signed transactions, kept until they are final: what a crash cut off is taken up, never sent a second time."""

from __future__ import annotations

import fcntl
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from gatllm.errors import GatllmError
from gatllm.records import write_file


@dataclass(slots=True)
class Outgoing:
    """One call on its way; ``raws`` are its signed forms (one per fee), all with the same nonce.

    ``delivered``: whoever sent it was told that it is mined; an equal call is a new one. It is kept until it is final,
    because a reorganisation may take it out of the chain. ``refused``: no node takes it as it is; its nonce may be
    given to another call (of two transactions with one nonce only one is ever mined), and it waits for proof of that.
    """

    call: str  # the digest of receiver, data and value
    nonce: int
    raws: list[str]
    hashes: list[str]
    max_fee: int  # wei a unit of gas, of the last form
    tip: int
    delivered: bool = False
    refused: bool = False


class Outbox:
    """The open transactions of one account on one chain, in a file; in memory when ``path`` is None.

    It is read and written by whoever holds its lock, and by nobody else.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._memory: list[Outgoing] = []
        self._threads = threading.Lock()
        self._holder: int | None = None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the account's nonces against other threads, and other processes of this machine; not re-entrant."""
        with self._threads, self._file_lock():
            self._holder = threading.get_ident()
            try:
                yield
            finally:
                self._holder = None

    @contextmanager
    def _file_lock(self) -> Iterator[None]:
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
        self._require_lock()
        if self.path is None or not self.path.exists():
            return list(self._memory)
        try:
            return [Outgoing(**entry) for entry in json.loads(self.path.read_text(encoding="utf-8"))]
        except (ValueError, TypeError) as error:
            raise GatllmError(
                f"{self.path} is damaged ({error})", "look up the account's transactions, then remove the file"
            ) from None

    def current(self, entry: Outgoing) -> Outgoing | None:
        """Return ``entry`` as it is now (another process may have raised its fee), or None when it is forgotten."""
        return next((other for other in self.entries() if _same(other, entry)), None)

    def put(self, entry: Outgoing) -> None:
        """Keep ``entry``, in place of its earlier self."""
        self._write([*(other for other in self.entries() if not _same(other, entry)), entry])

    def remove(self, entry: Outgoing) -> None:
        """Forget ``entry``: it is final, or it is proven that it will never be mined."""
        self._write([other for other in self.entries() if not _same(other, entry)])

    def _write(self, entries: list[Outgoing]) -> None:
        entries.sort(key=lambda entry: entry.nonce)
        if self.path is None:
            self._memory = entries
        else:
            write_file(self.path, json.dumps([asdict(entry) for entry in entries], indent=1) + "\n")

    def _require_lock(self) -> None:
        if self._holder != threading.get_ident():
            raise RuntimeError("the outbox is read and written under its lock")


def _same(one: Outgoing, other: Outgoing) -> bool:
    return (one.call, one.nonce) == (other.call, other.nonce)
