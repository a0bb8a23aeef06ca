"""Prompts that the data did not cover: requests for data, without what could tell who asked."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from gatllm.data.privacy import clean
from gatllm.errors import GatllmError
from gatllm.records import read_log, write_file
from gatllm.system import lock

MOST = 1_000  # of a file: it is read and written whole with each request
LONGEST = 2_000  # characters of one
_OLD = "wishes.jsonl"  # what gatllm 0.1 wrote: a log of every prompt as it was typed
# Besides the tokens whose form is known: whatever stands behind such a word, long digit groups, paths of a person.
_ASSIGNED = re.compile(
    r"""(?ix)\b(pass(?:word|wd|phrase)?|secret|token|api[_-]?key|auth(?:orization)?|bearer|pwd)\b
    (\W{0,4}(?:is|=|:)?\W{0,3})([^\s"'`,;]{4,})"""
)
_KEYS = re.compile(r"\b(?:sk|pk|gat|ghp|gho|xox[bp]|AKIA)[-_A-Za-z0-9]{12,}|\b(?:0x)?[0-9a-fA-F]{32,}\b")
_NUMBERS = re.compile(r"(?<![\w.])\+?\d[\d ()/-]{7,}\d(?![\w.])")
_PERSONAL_PATHS = re.compile(r"(/(?:home|Users)/|[A-Za-z]:\\Users\\)[^/\\\s\"']+")


class DataRequestStore(Protocol):
    """Where prompts below the threshold are kept: a file (`DataRequestFile`), or the service's database."""

    def add(self, prompt: str, confidence: float, threshold: float) -> None:
        """Keep one."""


def redact(text: str) -> str:
    """Return a prompt without e-mail addresses, keys, passwords, telephone and card numbers, and names in paths."""
    text, _, _ = clean(text, code=False, secret="redact", address="redact")  # noqa: S106  # a policy
    text = _ASSIGNED.sub(lambda found: f"{found[1]}{found[2]}xxxx", text)
    text = _KEYS.sub("xxxx", text)
    text = _NUMBERS.sub("xxxx", text)
    return _PERSONAL_PATHS.sub(r"\1xxxx", text)


def request_digest(prompt: str) -> str:
    """Return what two requests have in common that differ only in case and white space: 64 hexadecimal digits."""
    return hashlib.sha256(" ".join(prompt.lower().split()).encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True)
class KeptRequest:
    """One request: the redacted prompt, how far it was from the data, and how often it was asked."""

    prompt: str
    confidence: float
    threshold: float
    count: int
    updated: str  # UTC, ISO 8601


class DataRequestFile:
    """A JSONL file of at most ``most`` requests; the same question counts up, and the one longest unasked goes first.

    Processes and threads that add at once wait for each other. A new file takes over, redacted, what a
    ``wishes.jsonl`` beside it holds, which is left as it is.
    """

    def __init__(self, path: Path, most: int = MOST) -> None:
        self.path = path
        self._most = most

    def add(self, prompt: str, confidence: float, threshold: float) -> None:
        """Keep one request.

        Raises:
            GatllmError: the file can't be written, or holds something else.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._alone():
            fresh = self.path.stat().st_size == 0
            kept = {request_digest(one.prompt): one for one in (self._old() if fresh else self.all())}
            _count(kept, KeptRequest(prompt, round(confidence, 4), round(threshold, 4), 1, now))
            lines = [json.dumps(asdict(one), ensure_ascii=False) for one in list(kept.values())[-self._most :]]
            write_file(self.path, "".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))

    def all(self) -> list[KeptRequest]:
        """Return the requests, the one that was asked last at the end.

        Raises:
            GatllmError: the file holds something else.
        """
        if not self.path.is_file():
            return []
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
            return [KeptRequest(**json.loads(line)) for line in lines]
        except (ValueError, TypeError):
            raise GatllmError(f"{self.path} is not a file of data requests", "name another, or move it") from None

    def _old(self) -> list[KeptRequest]:
        try:
            entries = read_log(self.path.with_name(_OLD))
        except GatllmError:  # none there, or one that was changed: nothing to rely on
            return []
        kept: dict[str, KeptRequest] = {}
        for entry in entries:
            if entry["event"] == "wish":
                one = KeptRequest(entry["prompt"], entry["confidence"], entry["threshold"], 1, entry["time"])
                _count(kept, one)
        return list(kept.values())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the file against everybody else who adds to it."""
        while True:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                file = self.path.open("ab")
            except OSError as error:
                raise GatllmError(f"can't write {self.path}: {error.strerror}", "name another file") from None
            with file:
                lock(file)
                # Who held it before put a new file in its place: then the lock is on one that is gone.
                if self.path.exists() and os.path.samestat(os.fstat(file.fileno()), self.path.stat()):
                    yield
                    return


def _count(kept: dict[str, KeptRequest], one: KeptRequest) -> None:
    """Put a request, redacted, last among those kept."""
    words = redact(one.prompt[:LONGEST]).strip()
    if not words:
        return
    digest = request_digest(words)
    before = kept.pop(digest, None)
    kept[digest] = replace(one, prompt=words, count=one.count + (before.count if before else 0))
