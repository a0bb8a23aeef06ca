"""Conversations of the chat page, each of its account's own; they survive a reload, a restart and a crash."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, func, or_, select, update

from gatllm.models import Message
from gatllm.service.database import Conversation, Database, Turn, new_id
from gatllm.service.errors import ApiError

MOST_TURNS = 200  # of one conversation
MOST_CONVERSATIONS = 1000  # of one account: its own oldest go first, nobody else's
_TITLE = 60  # characters
SILENT = 30.0  # seconds after which a turn that is being written, and says nothing, has lost its writer


class Conversations:
    """What was said. Every call names the account, and finds only what is that account's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, account_id: str, prompt: str, conversation_id: str = "") -> tuple[Conversation, Turn]:
        """Add a turn to a conversation, or to a new one where none is named.

        Raises:
            ApiError: there is no such conversation, or it is too long.
        """
        now = time.time()
        with self._database.begin() as session:
            if conversation_id:
                talk = session.get(Conversation, conversation_id)
                if talk is None or talk.account_id != account_id:
                    raise ApiError(404, "there is no such conversation (any more); start a new one")
                talk.updated = now
            else:
                talk = Conversation(id=new_id(), account_id=account_id, title=_title(prompt), created=now, updated=now)
                session.add(talk)
                session.flush()
                kept = select(Conversation.id).where(Conversation.account_id == account_id)
                old = kept.order_by(Conversation.updated.desc()).offset(MOST_CONVERSATIONS)
                session.execute(delete(Conversation).where(Conversation.id.in_(session.scalars(old).all())))
            last = session.scalar(select(func.max(Turn.position)).where(Turn.conversation_id == talk.id))
            position = 0 if last is None else last + 1
            if position >= MOST_TURNS:
                raise ApiError(400, f"a conversation has at most {MOST_TURNS} turns; start a new one")
            turn = Turn(
                id=new_id(), conversation_id=talk.id, position=position, prompt=prompt, text="", state="writing",
                error="", assessment=None, answer=None, created=now, updated=now,
            )  # fmt: skip
            session.add(turn)
            return talk, turn

    def anew(self, account_id: str, turn_id: str, prompt: str | None = None) -> tuple[Conversation, Turn, list[str]]:
        """Make a turn be answered again, perhaps with other words; return also which turns after it are gone.

        Raises:
            ApiError: there is no such turn.
        """
        with self._database.begin() as session:
            turn = session.get(Turn, turn_id)
            talk = session.get(Conversation, turn.conversation_id) if turn is not None else None
            if turn is None or talk is None or talk.account_id != account_id:
                raise ApiError(404, "there is no such question (any more)")
            if turn.state == "writing" and time.time() - turn.updated < SILENT:
                raise ApiError(409, "this question is being answered; stop that first")
            later = delete(Turn).where(Turn.conversation_id == talk.id, Turn.position > turn.position)
            gone = list(session.scalars(later.returning(Turn.id)))
            turn.prompt = turn.prompt if prompt is None else prompt
            turn.state, turn.text, turn.error, turn.assessment, turn.answer = "writing", "", "", None, None
            turn.updated = talk.updated = time.time()
            return talk, turn, gone

    def save(self, turn_id: str, **values: Any) -> None:
        """Keep what is known about a turn so far."""
        with self._database.begin() as session:
            session.execute(update(Turn).where(Turn.id == turn_id).values(updated=time.time(), **values))

    def get(self, account_id: str, conversation_id: str) -> tuple[Conversation, list[Turn]] | None:
        """Return a conversation with its turns in order."""
        with self._database.read() as session:
            talk = session.get(Conversation, conversation_id)
            if talk is None or talk.account_id != account_id:
                return None
            turns = session.scalars(select(Turn).where(Turn.conversation_id == talk.id).order_by(Turn.position))
            return talk, [_settled(turn) for turn in turns]

    def listed(self, account_id: str, search: str = "", count: int = 100) -> Sequence[Conversation]:
        """Return the conversations of an account, last used first; with ``search`` those that hold these words."""
        wanted = select(Conversation).where(Conversation.account_id == account_id)
        for word in search.split()[:10]:
            held = select(Turn.conversation_id).where(
                or_(Turn.prompt.icontains(word, autoescape=True), Turn.text.icontains(word, autoescape=True))
            )
            wanted = wanted.where(or_(Conversation.title.icontains(word, autoescape=True), Conversation.id.in_(held)))
        with self._database.read() as session:
            return list(session.scalars(wanted.order_by(Conversation.updated.desc()).limit(count)))

    def rename(self, account_id: str, conversation_id: str, title: str) -> None:
        """Give a conversation another title."""
        if title.strip():
            mine = (Conversation.account_id == account_id, Conversation.id == conversation_id)
            with self._database.begin() as session:
                session.execute(update(Conversation).where(*mine).values(title=title.strip()[:_TITLE]))

    def remove(self, account_id: str, conversation_id: str) -> None:
        """Forget a conversation."""
        mine = (Conversation.account_id == account_id, Conversation.id == conversation_id)
        with self._database.begin() as session:
            session.execute(delete(Conversation).where(*mine))

    def adopt(self, account_id: str, visitor_id: str) -> None:
        """Give an account what the same browser said before it signed in."""
        with self._database.begin() as session:
            session.execute(
                update(Conversation).where(Conversation.account_id == visitor_id).values(account_id=account_id)
            )


def history(turns: Sequence[Turn], until: Turn) -> list[Message]:
    """Return what was said before a turn, as generators know it."""
    messages: list[Message] = []
    for turn in turns:
        if turn.id == until.id:
            break
        if turn.state == "done":
            messages += [{"role": "user", "content": turn.prompt}, {"role": "assistant", "content": turn.text}]
    return messages


def _settled(turn: Turn) -> Turn:
    """A turn whose writer died is not being written any more. (Decided by whoever reads: another process may write.)"""
    if turn.state == "writing" and time.time() - turn.updated > SILENT:
        turn.state, turn.error = "failed", "The server stopped while it wrote this. Ask again."
    return turn


def _title(prompt: str) -> str:
    words = " ".join(prompt.split())
    return words if len(words) <= _TITLE else words[: _TITLE - 1].rsplit(" ", 1)[0] + "…"
