"""How often one key, account or address may ask, whichever worker it reaches."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time

from sqlalchemy import case, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from gatllm.service.database import Database, DatabaseError, Rate
from gatllm.service.errors import ApiError

_SWEPT_EVERY = 600.0  # seconds between two removals of clients who may ask as much as anyone


class Rates:
    """A limit for each client of ``burst`` requests at once and ``a_minute`` for long. 0 a minute: no limit.

    Of a client one number is kept (the generic cell rate algorithm): when all that it asked for will have been earned.
    It is counted in the database, by one statement, so that workers behind a proxy share it.
    """

    def __init__(self, database: Database, name: str, a_minute: float = 0, burst: int | None = None) -> None:
        self.a_minute = a_minute
        self.burst = burst or max(1, int(a_minute / 4))
        self._database = database
        self._name = name
        self._swept = time.monotonic()

    async def take(self, client: str) -> None:
        """Count one request. While the database is away nobody is refused: slots and the queue still hold.

        Raises:
            ApiError: there were too many.
        """
        if self.a_minute <= 0:
            return
        wait = 0.0
        with contextlib.suppress(DatabaseError):
            wait = await asyncio.to_thread(self._wait, f"{self._name} {client}", time.time())
        if wait > 0:
            seconds = max(1, math.ceil(wait))
            raise ApiError(
                429,
                f"Rate limit reached: {self.a_minute:g} requests a minute. Please try again in {seconds}s.",
                code="rate_limit_exceeded",
                headers={"retry-after": str(seconds)},
            )

    def _wait(self, client: str, now: float) -> float:
        """Count a request, or return how many seconds are left until it would be let through."""
        each = 60 / self.a_minute
        insert = sqlite.insert if self._database.is_sqlite else postgresql.insert
        earned = case((Rate.earned > now, Rate.earned), else_=now)
        row = insert(Rate).values(client=client, earned=now + each)
        row = row.on_conflict_do_update(
            index_elements=["client"], set_={"earned": earned + each}, where=earned + each <= now + self.burst * each
        )
        with self._database.begin() as session:
            if time.monotonic() - self._swept > _SWEPT_EVERY:
                self._swept = time.monotonic()
                session.execute(delete(Rate).where(Rate.earned < now))
            if session.execute(row.returning(Rate.client)).first() is not None:
                return 0.0
            until = session.scalar(select(Rate.earned).where(Rate.client == client)) or now
        return max(0.0, until + each - self.burst * each - now)
