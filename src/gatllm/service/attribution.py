"""Which datasets fed the answers: counted for every known account, kept whole where its owner agreed."""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path

from sqlalchemy import func, select

from gatllm.answering import Answer
from gatllm.records import canonical_bytes, write_file
from gatllm.service.accounts import Caller
from gatllm.service.database import AnswerSource, Database, DatabaseError


class Attribution:
    """Counts sources of answers; ``transcripts``: where those of people who agreed lie, for `gatllm market reward`."""

    def __init__(self, database: Database, transcripts: Path | None = None) -> None:
        self._database = database
        self._transcripts = transcripts

    def add(self, caller: Caller | None, answer: Answer) -> None:
        """Count what fed an answer. Visitors' are not: whoever asks anew each time could feed a dataset of their own.

        An answer that can't be counted (the database is away, the disk is full) is given all the same.
        """
        if caller is None or not caller.is_known or not answer.sources:
            return
        fractions: dict[str, float] = {}
        for source in answer.sources:
            fractions[source.merkle_root] = fractions.get(source.merkle_root, 0.0) + source.fraction
        with contextlib.suppress(DatabaseError), self._database.begin() as session:
            session.add_all(
                AnswerSource(answer_id=answer.id, root=root, fraction=part) for root, part in fractions.items()
            )
        if self._transcripts is not None and caller.shares_feedback:
            lines = b"".join(canonical_bytes(entry) + b"\n" for entry in answer.transcript)
            with contextlib.suppress(OSError):
                write_file(self._transcripts / caller.account_id / f"{answer.id}.jsonl", lines)

    def of(self, root: str) -> tuple[int, float]:
        """Return how many answers a dataset fed, and how much of them: the sum of its fractions."""
        with self._database.read() as session:
            wanted = select(func.count(), func.sum(AnswerSource.fraction)).where(AnswerSource.root == root)
            row = session.execute(wanted).one()
        return int(row[0]), float(row[1] or 0.0)

    def weights(self, since: float = 0.0, until: float | None = None) -> dict[str, float]:
        """Return how much of the answers of a time came from each dataset, as `gatllm market reward` takes it."""
        ends = time.time() if until is None else until
        wanted = select(AnswerSource.root, func.sum(AnswerSource.fraction)).group_by(AnswerSource.root)
        wanted = wanted.where(AnswerSource.created >= since, AnswerSource.created < ends)
        with self._database.read() as session:
            return {row[0]: float(row[1]) for row in session.execute(wanted)}

    def forget(self, account_id: str) -> None:
        """Remove the transcripts of an account."""
        if self._transcripts is not None:
            shutil.rmtree(self._transcripts / account_id, ignore_errors=True)
