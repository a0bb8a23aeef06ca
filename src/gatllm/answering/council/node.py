"""A member of a council: it commits, reveals, criticises, votes and counts, and believes nothing that is not signed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp
from typing import Any

from gatllm.answering.agreement import agreeing
from gatllm.answering.blocks import CodeBlock, find_code, split
from gatllm.answering.checking import CodeReviewer
from gatllm.answering.council.counting import agreed_on, best_of, standing, tally
from gatllm.answering.council.messages import (
    LONGEST_TEXT,
    Confidence,
    Critique,
    Identity,
    Proposal,
    Revision,
    Verdict,
    Vote,
    commitment,
    fresh,
    read_message,
)
from gatllm.answering.judging import judge_code
from gatllm.answering.specification import Specification, read_specification
from gatllm.answering.trial import CodeRunner
from gatllm.errors import VerificationError
from gatllm.models import ChatGenerator, ChatOptions, Completion
from gatllm.models import Message as Turn

_ALONE = 0.5  # of its score keeps a proposal that most of the others contradict
_CLUSTERED = 3  # proposals: of two that differ neither is the rule
_KEPT = 64  # decisions that a node remembers its proposals of


@dataclass
class _Own:
    """What a node keeps of its part in one round."""

    proposal: Proposal
    completion: Completion
    voted: Vote | None = None


@dataclass
class Node:
    """A member with a generator, a reviewer or both.

    ``seed`` makes its proposals its own where several members share a generator. ``runner``: the sandbox in which a
    reviewer holds proposals against what the question states; None: it goes by reading alone.
    """

    name: str
    identity: Identity
    generator: ChatGenerator | None = None
    reviewer: CodeReviewer | None = None
    seed: int = 0
    runner: CodeRunner | None = None
    _own: OrderedDict[tuple[str, int], _Own] = field(default_factory=OrderedDict, repr=False, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, init=False)

    def describe(self) -> dict[str, Any]:
        """Return who the node is: name, public key, and what it does."""
        roles = [role for role, has in (("generator", self.generator), ("reviewer", self.reviewer)) if has is not None]
        return {
            "name": self.name,
            "key": self.identity.public,
            "roles": roles,
            "context": self.generator.context if self.generator else None,
        }

    def propose(self, decision: str, number: int, turns: Sequence[Turn], options: ChatOptions) -> list[Any]:
        """Make a proposal and commit to it; asked again, the same commitment is sent again."""
        if self.generator is None:
            return []
        with self._lock:
            kept = self._own.get((decision, number))
        if kept is None:
            completion = self.generator.generate([turns], replace(options, seed=options.seed + self.seed))[0]
            salt, text = fresh(), completion.text[:LONGEST_TEXT]
            kind = Proposal if number == 1 else Revision
            opened = kind(**self._head(decision, number), commitment=commitment(text, salt), text=text, salt=salt)
            with self._lock:
                kept = self._own.setdefault((decision, number), _Own(opened, completion))
                while len(self._own) > _KEPT:
                    self._own.popitem(last=False)
        return [self.identity.sign(kept.proposal.model_copy(update={"text": None, "salt": None}))]

    def reveal(self, decision: str, number: int, seen: Sequence[Any], stakes: Mapping[str, float]) -> list[Any]:
        """Open the proposal, once its own commitment is among those of the others; not before."""
        kept = self._own.get((decision, number))
        if kept is None:
            return []
        committed = [each for each in self._valid(seen, decision, number, stakes) if isinstance(each, Proposal)]
        if not any(each.sender == self.identity.public for each in committed):
            raise VerificationError("a proposal is opened only after it was committed to")
        sure = min(max(exp(kept.completion.mean_logprob), 0.0), 1.0)
        return [
            self.identity.sign(kept.proposal),
            self.identity.sign(Confidence(**self._head(decision, number), value=round(sure, 6))),
        ]

    def review(
        self, decision: str, number: int, seen: Sequence[Any], stakes: Mapping[str, float], question: str = ""
    ) -> list[Any]:
        """Criticise every proposal that was opened: by reading it, and by running it on what ``question`` states."""
        if self.reviewer is None:
            return []
        found = []
        stated = read_specification(question)
        opened = self._opened(seen, decision, number, stakes)
        judged = [_judge(proposal.text or "", self.reviewer, stated, self.runner) for proposal in opened]
        apart = _apart(opened, judged, stakes, stated, self.runner)
        for at, (proposal, (score, findings)) in enumerate(zip(opened, judged, strict=True)):
            less = at in apart
            told = self.identity.sign(
                Critique(
                    **self._head(decision, number),
                    of=proposal.sender,
                    score=round(score * _ALONE, 6) if less else score,
                    findings=(*findings, "most proposals compute something else") if less else findings,
                )
            )
            found.append(told)
        return found

    def vote(self, decision: str, number: int, seen: Sequence[Any], stakes: Mapping[str, float]) -> list[Any]:
        """Vote for the proposal that stands best; a vote once given is not changed.

        A reviewer does not vote for what it found can't be right, whatever the others say: so those who lie need more
        than two thirds of the stake themselves.
        """
        messages = self._valid(seen, decision, number, stakes)
        critiques = [each for each in messages if isinstance(each, Critique)]
        best = best_of(standing(self._opened(seen, decision, number, stakes), critiques, stakes))
        refused = any((each.sender, each.of, each.score) == (self.identity.public, best, 0.0) for each in critiques)
        if best is None or refused:
            return []
        vote = self.identity.sign(Vote(**self._head(decision, number), of=best))
        kept = self._own.get((decision, number))
        if kept is not None:
            kept.voted = kept.voted or vote
            vote = kept.voted
        return [vote]

    def count(self, decision: str, number: int, seen: Sequence[Any], stakes: Mapping[str, float]) -> list[Any]:
        """Sign how the votes are counted."""
        weights = tally(
            [each for each in self._valid(seen, decision, number, stakes) if isinstance(each, Vote)], stakes
        )
        best = agreed_on(weights)
        weight = weights[best] if best else max(weights.values(), default=0.0)
        return [self.identity.sign(Verdict(**self._head(decision, number), of=best, weight=min(weight, 1.0)))]

    def _head(self, decision: str, number: int) -> dict[str, Any]:
        return {"decision": decision, "round": number, "sender": self.identity.public}

    def _valid(self, seen: Sequence[Any], decision: str, number: int, stakes: Mapping[str, float]) -> list[Any]:
        """Return the messages that are signed by members and belong to this round; one of each kind and subject."""
        found: dict[tuple[str, str, str], Any] = {}
        for value in seen:
            message = read_message(value)
            if message.sender in stakes and (message.decision, message.round) == (decision, number):
                found.setdefault((message.kind, message.sender, getattr(message, "of", None) or ""), message)
        return list(found.values())

    def _opened(self, seen: Sequence[Any], decision: str, number: int, stakes: Mapping[str, float]) -> list[Proposal]:
        messages = self._valid(seen, decision, number, stakes)
        return [each for each in messages if isinstance(each, Proposal) and each.is_opened]


def _apart(
    opened: Sequence[Proposal],
    judged: Sequence[tuple[float, Any]],
    stakes: Mapping[str, float],
    stated: Specification,
    runner: CodeRunner | None,
) -> set[int]:
    """Return which proposals that can be right compute something else than those of more than half of all stake.

    Where members pass the same example and differ beyond it, those who agree are more often right than the one whose
    code reads best. Stake counts, not heads: many members of little stake are no majority.
    """
    sound = [at for at, (score, _) in enumerate(judged) if score > 0]
    codes = [find_code(opened[at].text or "") for at in sound]
    if runner is None or len(sound) < _CLUSTERED or any(code is None for code in codes):
        return set()
    groups = agreeing([code.code for code in codes if code is not None], stated.function, runner)
    behind = [sum(stakes[opened[sound[at]].sender] for at in group) for group in groups]
    most = next((at for at, weight in enumerate(behind) if weight > sum(stakes.values()) / 2), None)
    if most is None or len(groups[most]) < 2:
        return set()
    return {sound[at] for number, group in enumerate(groups) if number != most for at in group}


def _judge(
    text: str, reviewer: CodeReviewer, stated: Specification, runner: CodeRunner | None
) -> tuple[float, tuple[str, ...]]:
    """Return a score from 0 (can't be right) to 1, and what was found."""
    score, findings = 1.0, []
    blocks = [piece for piece in split(text) if isinstance(piece, CodeBlock) and piece.is_python and piece.code.strip()]
    if not blocks and stated.examples:  # code without fences is code, and words are no answer to what code must do
        bare = find_code(text)
        if bare is None:
            return 0.0, ("it has no code",)
        blocks = [bare]
    for piece in blocks:
        review = judge_code(piece.code, reviewer, stated, runner)
        errors = [
            note.message if note.by == "sandbox" else f"line {note.line}: {note.message}"
            for note in review.notes
            if note.error
        ]
        findings += errors + [note.why for note in review.edits[:1] if note.why]
        sound = 0.0 if errors else 0.5 if review.changed else 1.0
        score = min(score, sound * (1 - (review.probability or 0.0)))
    return round(score, 6), tuple(finding[:500] for finding in findings[:20])
