"""All that is kept about an account: to take away, and to erase."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import delete, inspect, select

from gatllm.service.database import (
    Account,
    ApiKey,
    Base,
    Conversation,
    Database,
    Feedback,
    Job,
    LoginSession,
    Turn,
    Usage,
)

_SECRET = {"password", "token_hash", "key_hash"}
VISITOR_DAYS = 60


class PersonalData:
    """Export and erasure (GDPR, articles 15, 17 and 20)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def export(self, account_id: str) -> dict[str, Any]:
        """Return everything about an account as plain JSON values, without what would let others in."""
        with self._database.read() as session:
            account = session.get(Account, account_id)
            owned = {
                table.__tablename__: [_plain(row) for row in session.scalars(
                    select(table).where(table.account_id == account_id)
                )]
                for table in (LoginSession, ApiKey, Usage, Conversation, Feedback, Job)
            }  # fmt: skip
            turns = select(Turn).join(Conversation).where(Conversation.account_id == account_id)
            owned["turns"] = [_plain(row) for row in session.scalars(turns.order_by(Turn.created))]
        return {"account": _plain(account) if account else None, **owned}

    def erase(self, account_id: str) -> None:
        """Forget an account with all that hangs on it. (Data requests hang on nobody.)"""
        with self._database.begin() as session:
            session.execute(delete(Account).where(Account.id == account_id))

    def forget_visitors(self) -> int:
        """Erase visitors who have not been there for `VISITOR_DAYS`; return how many."""
        with self._database.begin() as session:
            old = time.time() - VISITOR_DAYS * 24 * 3600
            gone = delete(Account).where(Account.kind == "visitor", Account.seen < old).returning(Account.id)
            return len(session.scalars(gone).all())


def _plain(row: Base) -> dict[str, Any]:
    columns = inspect(type(row)).columns
    return {column.key: getattr(row, column.key) for column in columns if column.key not in _SECRET}
