"""Questions that the data does not cover: requests for data, without what could tell who asked."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from gatllm.data.privacy import clean
from gatllm.service.database import Database, DataRequest

MOST = 10_000
LONGEST = 2_000  # characters
# Besides the tokens whose form is known: whatever stands behind such a word, long digit groups, paths of a person.
_ASSIGNED = re.compile(
    r"""(?ix)\b(pass(?:word|wd|phrase)?|secret|token|api[_-]?key|auth(?:orization)?|bearer|pwd)\b
    (\W{0,4}(?:is|=|:)?\W{0,3})([^\s"'`,;]{4,})"""
)
_KEYS = re.compile(r"\b(?:sk|pk|gat|ghp|gho|xox[bp]|AKIA)[-_A-Za-z0-9]{12,}|\b(?:0x)?[0-9a-fA-F]{32,}\b")
_NUMBERS = re.compile(r"(?<![\w.])\+?\d[\d ()/-]{7,}\d(?![\w.])")
_HOMES = re.compile(r"(/(?:home|Users)/|[A-Za-z]:\\Users\\)[^/\\\s\"']+")


def redact(text: str) -> str:
    """Return a prompt without e-mail addresses, keys, passwords, telephone and card numbers, and names in paths."""
    text, _, _ = clean(text, code=False, secret="redact", address="redact")  # noqa: S106  # a policy
    text = _ASSIGNED.sub(lambda found: f"{found[1]}{found[2]}xxxx", text)
    text = _KEYS.sub("xxxx", text)
    text = _NUMBERS.sub("xxxx", text)
    return _HOMES.sub(r"\1xxxx", text)


class DataRequests:
    """At most `MOST` requests; the same question counts up, and the one longest unasked goes first."""

    def __init__(self, database: Database, most: int = MOST) -> None:
        self._database = database
        self._most = most

    def add(self, prompt: str, confidence: float, threshold: float) -> None:
        """Keep one request."""
        words = redact(prompt[:LONGEST]).strip()
        if not words:
            return
        digest = hashlib.sha256(" ".join(words.lower().split()).encode("utf-8", "replace")).hexdigest()
        now = time.time()
        insert = sqlite.insert if self._database.is_sqlite else postgresql.insert
        row = insert(DataRequest).values(
            digest=digest, prompt=words, confidence=round(confidence, 4), threshold=round(threshold, 4),
            count=1, created=now, updated=now,
        )  # fmt: skip
        row = row.on_conflict_do_update(
            index_elements=["digest"], set_={"count": DataRequest.count + 1, "updated": now}
        )
        with self._database.begin() as session:
            session.execute(row)
            over = (session.scalar(select(func.count()).select_from(DataRequest)) or 0) - self._most
            if over > 0:
                oldest = select(DataRequest.digest).order_by(DataRequest.updated).limit(over)
                session.execute(delete(DataRequest).where(DataRequest.digest.in_(oldest)))

    def top(self, count: int = 100) -> Sequence[DataRequest]:
        """Return the requests that were asked most often, most first."""
        with self._database.read() as session:
            wanted = select(DataRequest).order_by(DataRequest.count.desc(), DataRequest.updated.desc())
            return list(session.scalars(wanted.limit(count)))

    def remove(self, digest: str) -> None:
        """Take a request off the list: it is answered, or should not be there."""
        with self._database.begin() as session:
            session.execute(delete(DataRequest).where(DataRequest.digest == digest))
