"""What the service keeps. Times are seconds since 1970 (UTC); secrets are kept as hashes only."""

from __future__ import annotations

import secrets
import time
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


def new_id() -> str:
    """Return a name that nothing else has."""
    return secrets.token_hex(8)


class Base(DeclarativeBase):
    """All tables."""

    type_annotation_map = {dict[str, Any]: JSON, str: Text}  # noqa: RUF012  # as SQLAlchemy declares it


_ACCOUNT = "accounts.id"


class Account(Base):
    """Whoever asks: a wallet, a user of a private installation, a visitor's browser, or this machine's own user."""

    __tablename__ = "accounts"
    __table_args__ = (UniqueConstraint("kind", "name"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]  # local, user, wallet, visitor
    name: Mapped[str]  # log-in name or checksummed address; of a visitor its own id
    role: Mapped[str] = mapped_column(default="subscriber")  # subscriber, contributor, operator
    password: Mapped[str | None]
    shares_feedback: Mapped[bool] = mapped_column(default=False)
    created: Mapped[float] = mapped_column(default=time.time)
    seen: Mapped[float] = mapped_column(default=time.time)


class LoginSession(Base):
    """A browser that is signed in, or a visitor's."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey(_ACCOUNT, ondelete="CASCADE"), index=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    agent: Mapped[str] = mapped_column(default="")
    created: Mapped[float] = mapped_column(default=time.time)
    used: Mapped[float] = mapped_column(default=time.time)
    until: Mapped[float]


class ApiKey(Base):
    """A key for programs. ``prefix`` is shown, so that people know which one it is."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey(_ACCOUNT, ondelete="CASCADE"), index=True)
    name: Mapped[str]
    prefix: Mapped[str]
    key_hash: Mapped[str] = mapped_column(unique=True)
    created: Mapped[float] = mapped_column(default=time.time)
    used: Mapped[float | None]
    revoked: Mapped[float | None]


class Usage(Base):
    """What an account used in a month, by key; ``key_id`` is empty where none was used (the page)."""

    __tablename__ = "usage"

    account_id: Mapped[str] = mapped_column(ForeignKey(_ACCOUNT, ondelete="CASCADE"), primary_key=True)
    key_id: Mapped[str] = mapped_column(primary_key=True, default="")
    month: Mapped[str] = mapped_column(primary_key=True)  # 2026-11
    requests: Mapped[int] = mapped_column(default=0)
    prompt_tokens: Mapped[int] = mapped_column(default=0)
    completion_tokens: Mapped[int] = mapped_column(default=0)


class Conversation(Base):
    """A conversation of the chat page."""

    __tablename__ = "conversations"
    __table_args__ = (Index("ix_conversations_recent", "account_id", "updated"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey(_ACCOUNT, ondelete="CASCADE"))
    title: Mapped[str]
    created: Mapped[float] = mapped_column(default=time.time)
    updated: Mapped[float] = mapped_column(default=time.time)


class Turn(Base):
    """A question and what became of it: ``writing``, ``done``, ``declined``, ``stopped`` or ``failed``."""

    __tablename__ = "turns"
    __table_args__ = (UniqueConstraint("conversation_id", "position"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    position: Mapped[int]
    prompt: Mapped[str]
    text: Mapped[str] = mapped_column(default="")  # of the answer, also of one that is not complete
    state: Mapped[str] = mapped_column(default="writing")
    error: Mapped[str] = mapped_column(default="")
    assessment: Mapped[dict[str, Any] | None]
    answer: Mapped[dict[str, Any] | None]
    created: Mapped[float] = mapped_column(default=time.time)
    updated: Mapped[float] = mapped_column(default=time.time)


class Feedback(Base):
    """What a user thinks of an answer: ``up``, ``down``, ``edit`` (their own version), ``again`` (asked anew)."""

    __tablename__ = "feedback"
    __table_args__ = (UniqueConstraint("turn_id", "kind"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey(_ACCOUNT, ondelete="CASCADE"), index=True)
    turn_id: Mapped[str] = mapped_column(ForeignKey("turns.id", ondelete="CASCADE"))
    kind: Mapped[str]
    text: Mapped[str] = mapped_column(default="")
    created: Mapped[float] = mapped_column(default=time.time)


class DataRequest(Base):
    """A question that the data does not cover, without names, addresses and keys; the same one counts up."""

    __tablename__ = "data_requests"

    digest: Mapped[str] = mapped_column(primary_key=True)
    prompt: Mapped[str]
    confidence: Mapped[float]
    threshold: Mapped[float]
    count: Mapped[int] = mapped_column(default=1)
    bounty: Mapped[str] = mapped_column(default="")  # what the operator promises for such data, in their words
    created: Mapped[float] = mapped_column(default=time.time)
    updated: Mapped[float] = mapped_column(default=time.time, index=True)


class AnswerSource(Base):
    """How much of the evidence for an answer came from a dataset (its Merkle root); nothing of what was said."""

    __tablename__ = "answer_sources"

    answer_id: Mapped[str] = mapped_column(primary_key=True)
    root: Mapped[str] = mapped_column(primary_key=True, index=True)
    fraction: Mapped[float]
    created: Mapped[float] = mapped_column(default=time.time, index=True)


class Rate(Base):
    """When all that a client asked for will have been earned; an address is kept for minutes only."""

    __tablename__ = "rates"

    client: Mapped[str] = mapped_column(primary_key=True)  # what is limited, and whose
    earned: Mapped[float] = mapped_column(index=True)


class Job(Base):
    """Work that survives the process that does it; ``once`` names what must not be done twice."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey(_ACCOUNT, ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    once: Mapped[str] = mapped_column(unique=True, default=new_id)
    state: Mapped[str] = mapped_column(default="queued", index=True)  # queued, running, done, failed
    arguments: Mapped[dict[str, Any]]
    result: Mapped[dict[str, Any] | None]
    error: Mapped[str] = mapped_column(default="")
    progress: Mapped[str] = mapped_column(default="")
    attempts: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str] = mapped_column(default="")
    lease: Mapped[float] = mapped_column(default=0.0)  # until when `worker` has it
    created: Mapped[float] = mapped_column(default=time.time)
    updated: Mapped[float] = mapped_column(default=time.time)


class JobStep(Base):
    """A step of a job that is done, with what it gave: it is not done again when the job is resumed."""

    __tablename__ = "job_steps"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    result: Mapped[dict[str, Any]]
    created: Mapped[float] = mapped_column(default=time.time)
