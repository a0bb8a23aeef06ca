"""Questions that the data does not cover: requests for data, without what could tell who asked."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from gatllm.answering.data_requests import LONGEST, redact, request_digest
from gatllm.service.database import Database, DataRequest

MOST = 10_000


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
        now = time.time()
        insert = sqlite.insert if self._database.is_sqlite else postgresql.insert
        row = insert(DataRequest).values(
            digest=request_digest(words), prompt=words, confidence=round(confidence, 4), threshold=round(threshold, 4),
            count=1, bounty="", created=now, updated=now,
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
        """Return the requests with a bounty, then those that were asked most often."""
        with self._database.read() as session:
            wanted = select(DataRequest).order_by(
                (DataRequest.bounty == "").asc(), DataRequest.count.desc(), DataRequest.updated.desc()
            )
            return list(session.scalars(wanted.limit(count)))

    def get(self, digest: str) -> DataRequest | None:
        """Return one request."""
        with self._database.read() as session:
            return session.get(DataRequest, digest)

    def set_bounty(self, digest: str, bounty: str) -> None:
        """Say what is promised for data that answers a request."""
        with self._database.begin() as session:
            session.execute(update(DataRequest).where(DataRequest.digest == digest).values(bounty=bounty))

    def remove(self, digest: str) -> None:
        """Take a request off the list: it is answered, or should not be there."""
        with self._database.begin() as session:
            session.execute(delete(DataRequest).where(DataRequest.digest == digest))
