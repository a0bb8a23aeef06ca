"""What users think of answers, kept from those who agreed to it, in the form that training reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import delete, select

from gatllm.answering.data_requests import redact
from gatllm.service.conversations import history
from gatllm.service.database import Account, Conversation, Database, Feedback, Turn
from gatllm.service.errors import ApiError

KINDS = ("up", "down", "edit", "again")


class FeedbackBook:
    """Thumbs, edits and repeated questions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, account_id: str, turn_id: str, kind: str, text: str = "") -> str:
        """Keep one opinion about one's own turn; a thumb replaces the other thumb. Return the conversation's id.

        Raises:
            ApiError: there is no such turn or kind.
        """
        if kind not in KINDS:
            raise ApiError(400, f"there is no feedback {kind!r}", param="kind")
        with self._database.begin() as session:
            turn = session.get(Turn, turn_id)
            talk = session.get(Conversation, turn.conversation_id) if turn is not None else None
            if talk is None or talk.account_id != account_id:
                raise ApiError(404, "there is no such answer (any more)")
            replaced = ("up", "down") if kind in ("up", "down") else (kind,)
            session.execute(delete(Feedback).where(Feedback.turn_id == turn_id, Feedback.kind.in_(replaced)))
            session.add(Feedback(account_id=account_id, turn_id=turn_id, kind=kind, text=text))
            return talk.id

    def add_again(self, account_id: str, turn_id: str) -> None:
        """Keep the answer that is about to be asked for anew: it did not do."""
        with self._database.read() as session:
            turn = session.get(Turn, turn_id)
            done, text = turn is not None and turn.state == "done", turn.text if turn is not None else ""
        if done:
            self.add(account_id, turn_id, "again", text)

    def edits(self, account_id: str, conversation_id: str) -> dict[str, str]:
        """Return what an account wrote instead of the answers of a conversation, by turn."""
        wanted = (
            select(Feedback.turn_id, Feedback.text)
            .join(Turn, Turn.id == Feedback.turn_id)
            .where(Turn.conversation_id == conversation_id, Feedback.account_id == account_id)
            .where(Feedback.kind == "edit")
        )
        with self._database.read() as session:
            return {row.turn_id: row.text for row in session.execute(wanted)}

    def of(self, account_id: str, conversation_id: str) -> dict[str, str]:
        """Return the thumb of each turn of a conversation."""
        wanted = (
            select(Feedback.turn_id, Feedback.kind)
            .join(Turn, Turn.id == Feedback.turn_id)
            .where(Turn.conversation_id == conversation_id, Feedback.account_id == account_id)
            .where(Feedback.kind.in_(("up", "down")))
        )
        with self._database.read() as session:
            return {row.turn_id: row.kind for row in session.execute(wanted)}

    def export(self) -> Iterator[dict[str, Any]]:
        """Yield conversations of those who agreed, each with the answer that was liked or written instead.

        ``messages`` is a conversation as `gatllm data build` reads it; ``rejected`` is the answer that was replaced,
        disliked or asked for anew. A disliked answer alone has no ``messages`` to learn from, only ``prompt`` and
        ``rejected``. Addresses, keys and passwords are redacted.
        """
        wanted = (
            select(Feedback, Turn)
            .join(Turn, Turn.id == Feedback.turn_id)
            .join(Account, Account.id == Feedback.account_id)
            .where(Account.shares_feedback, Feedback.kind.in_(KINDS))
            .order_by(Feedback.created)
        )
        with self._database.read() as session:
            for feedback, turn in session.execute(wanted):
                before = session.scalars(
                    select(Turn).where(Turn.conversation_id == turn.conversation_id).order_by(Turn.position)
                )
                messages = [*history(list(before), turn), {"role": "user", "content": turn.prompt}]
                redacted = [{"role": one["role"], "content": redact(str(one["content"]))} for one in messages]
                if feedback.kind in ("down", "again"):  # of what was asked anew the text is that of the first answer
                    yield {"prompt": redacted, "rejected": redact(feedback.text or turn.text)}
                    continue
                text = redact(feedback.text if feedback.kind == "edit" else turn.text)
                liked: dict[str, Any] = {"messages": [*redacted, {"role": "assistant", "content": text}]}
                yield liked | ({"rejected": redact(turn.text)} if feedback.kind == "edit" else {})
