"""What each account and key used, by month (UTC)."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite

from gatllm.service.database import Database, Usage


class UsageBook:
    """Counts requests and tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, account_id: str, key_id: str, prompt_tokens: int, completion_tokens: int) -> None:
        """Count one request."""
        month = time.strftime("%Y-%m", time.gmtime())
        one: dict[str, Any] = {
            "requests": 1, "prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens,
        }  # fmt: skip
        # Two workers may count at once: the database adds, not the program.
        insert = sqlite.insert if self._database.is_sqlite else postgresql.insert
        row = insert(Usage).values(account_id=account_id, key_id=key_id, month=month, **one)
        added = {name: getattr(Usage, name) + getattr(row.excluded, name) for name in one}
        row = row.on_conflict_do_update(index_elements=["account_id", "key_id", "month"], set_=added)
        with self._database.begin() as session:
            session.execute(row)

    def requests_this_month(self, account_id: str) -> int:
        """Return how many requests of an account were counted in this month (UTC)."""
        mine = (Usage.account_id == account_id, Usage.month == time.strftime("%Y-%m", time.gmtime()))
        with self._database.read() as session:
            return session.scalar(select(func.sum(Usage.requests)).where(*mine)) or 0

    def of(self, account_id: str) -> list[Usage]:
        """Return the usage of an account, newest month first."""
        with self._database.read() as session:
            wanted = select(Usage).where(Usage.account_id == account_id)
            return list(session.scalars(wanted.order_by(Usage.month.desc(), Usage.key_id)))
