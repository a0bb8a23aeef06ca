"""Several generators and reviewers agree on an answer, in the style of proof of stake.

One round: every member **commits** to its proposal by its hash, so that nobody can copy; then all are **revealed**;
every reviewer **votes** on every proposal, with its findings as feedback. A proposal's weight is half the stake behind
proposals of the same structure, half the reviewers' votes weighted by their stake. With two thirds of it all, the
council agrees; otherwise the members get the feedback and the best proposal so far, and propose again. The minutes are
a hash chain from which anyone can repeat the count (`verify_minutes`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gatllm.answering.blocks import CodeBlock, split
from gatllm.answering.checking import CodeReviewer, review_code
from gatllm.answering.library.tokens import tokenize
from gatllm.answering.library.words import plain_words
from gatllm.answering.transcript import Transcript
from gatllm.errors import UsageError, VerificationError
from gatllm.models import ChatGenerator, ChatOptions, Completion, Message
from gatllm.records import GENESIS, canonical_bytes, digest, sha256

QUORUM = 2 / 3
_GAIN, _LOSS = 1.05, 0.95  # what a decision does to the stake of who was with it, and of who was not


@dataclass
class Member:
    """A generator with a voice: its stake, and the seed that makes its proposals its own."""

    name: str
    generator: ChatGenerator
    stake: float = 1.0
    seed: int = 0


@dataclass
class Judge:
    """A reviewer with a voice."""

    name: str
    reviewer: CodeReviewer
    stake: float = 1.0


@dataclass(frozen=True)
class Decision:
    """What the council decided. ``agreed`` is false when the best proposal stayed below the quorum."""

    text: str
    by: str
    weight: float
    agreed: bool
    rounds: int
    completion: Completion
    minutes: tuple[dict[str, Any], ...] = field(repr=False)


class Council:
    """Members propose, judges vote. Satisfies `ChatGenerator`, so that an `Assistant` can ask a council."""

    def __init__(self, members: Sequence[Member], judges: Sequence[Judge], *, rounds: int = 2) -> None:
        if not members or not judges or rounds < 1:
            raise UsageError("a council needs members, judges and at least one round")
        if min(*(member.stake for member in members), *(judge.stake for judge in judges)) <= 0:
            raise UsageError("every stake must be above zero")
        names = [member.name for member in members]
        if len(set(names)) < len(names):
            raise UsageError("two members have the same name")
        self.members, self.judges, self.rounds = list(members), list(judges), rounds
        self.name = "council of " + ", ".join(names)
        self.context = min(member.generator.context for member in members)
        self.last: Decision | None = None

    def deliberate(self, messages: Sequence[Message], options: ChatOptions) -> Decision:
        """Propose and vote until there is a quorum or the rounds are over, then settle the stakes.

        Raises:
            ContextOverflowError: the conversation is too long for a member.
        """
        minutes = Transcript()
        stakes = {each.name: each.stake for each in self.members}
        judges = {judge.name: judge.stake for judge in self.judges}
        minutes.add("council", stakes=stakes, judges=judges, quorum=QUORUM, prompt=digest(list(messages)))
        asked: dict[str, list[Message]] = {member.name: list(messages) for member in self.members}
        for number in range(1, self.rounds + 1):
            proposals = {
                member.name: member.generator.generate(
                    [asked[member.name]], replace(options, seed=options.seed + member.seed)
                )[0]
                for member in self.members
            }
            for name, proposal in proposals.items():
                minutes.add("commit", round=number, member=name, sha256=_hash(proposal.text))
            for name, proposal in proposals.items():
                minutes.add("reveal", round=number, member=name, text=proposal.text)
            votes, feedback = self._vote(proposals, minutes, number)
            weights = tally({name: each.text for name, each in proposals.items()}, votes, stakes, judges)
            best = max(weights, key=lambda name: (weights[name], name))
            agreed = weights[best] >= QUORUM
            minutes.add("count", round=number, weights=weights, best=best, agreed=agreed)
            if agreed or number == self.rounds:
                break
            for name in asked:
                asked[name] += _again(proposals[name].text, feedback[name], proposals[best].text)
        self._settle({name: each.text for name, each in proposals.items()}, best)
        chosen = proposals[best]
        self.last = Decision(chosen.text, best, weights[best], agreed, number, chosen, tuple(minutes.entries))
        return self.last

    def _vote(
        self, proposals: dict[str, Completion], minutes: Transcript, number: int
    ) -> tuple[dict[str, dict[str, float]], dict[str, list[str]]]:
        votes: dict[str, dict[str, float]] = {judge.name: {} for judge in self.judges}
        feedback: dict[str, list[str]] = {name: [] for name in proposals}
        for judge in self.judges:
            for name, proposal in proposals.items():
                vote, findings = _judge(proposal.text, judge.reviewer)
                votes[judge.name][name] = vote
                feedback[name] += findings
                minutes.add("vote", round=number, judge=judge.name, member=name, vote=vote, findings=findings)
        return votes, feedback

    def _settle(self, texts: dict[str, str], best: str) -> None:
        winner = structure(texts[best])
        for member in self.members:
            member.stake *= _GAIN if structure(texts[member.name]) == winner else _LOSS

    def stream(self, messages: Sequence[Message], options: ChatOptions) -> Iterator[str | Completion]:
        """Yield the agreed answer, then its completion; nothing can be shown before there is agreement."""
        decision = self.deliberate(messages, options)
        yield decision.text
        yield decision.completion

    def generate(self, conversations: Sequence[Sequence[Message]], options: ChatOptions) -> list[Completion]:
        """Decide about one conversation after the other."""
        return [self.deliberate(messages, options).completion for messages in conversations]


def structure(text: str) -> str:
    """Return what two answers must share to count as the same: the shape of their code, or else their words."""
    codes = [
        sha256(tokenize(piece.code.encode("utf-8", "surrogatepass"))["structure"].hashes.tobytes())
        for piece in split(text)
        if isinstance(piece, CodeBlock) and piece.is_python
    ]
    return "code " + " ".join(codes) if codes else "words " + " ".join(sorted(set(plain_words(text))))


def tally(
    texts: dict[str, str], votes: dict[str, dict[str, float]], stakes: dict[str, float], judges: dict[str, float]
) -> dict[str, float]:
    """Return the weight of each proposal, from 0 to 1."""
    same = {name: structure(text) for name, text in texts.items()}
    staked, judged = sum(stakes.values()), sum(judges.values())
    weights = {}
    for name in texts:
        behind = sum(stake for other, stake in stakes.items() if same[other] == same[name]) / staked
        approved = sum(stake * votes[judge][name] for judge, stake in judges.items()) / judged
        weights[name] = round((behind + approved) / 2, 9)
    return weights


def _judge(text: str, reviewer: CodeReviewer) -> tuple[float, list[str]]:
    """Return a vote from 0 (can't be right) to 1, and what was found."""
    vote, findings = 1.0, []
    for piece in split(text):
        if isinstance(piece, CodeBlock) and piece.is_python and piece.code.strip():
            review = review_code(piece.code, reviewer)
            errors = [f"line {note.line}: {note.message}" for note in review.notes if note.error]
            findings += errors + [f"line {note.why}" for note in review.edits[:1] if note.why]
            sound = 0.0 if errors else 0.5 if review.changed else 1.0
            vote = min(vote, sound * (1 - (review.probability or 0.0)))
    return round(vote, 6), findings


def _again(own: str, findings: list[str], best: str) -> list[Message]:
    words = "Reviewers found: " + "; ".join(findings[:5]) if findings else "There was no agreement on this answer"
    return [
        {"role": "assistant", "content": own},
        {"role": "user", "content": f"{words}. The best answer so far was:\n\n{best}\n\nGive your best answer again."},
    ]


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass"))


def verify_minutes(minutes: Sequence[dict[str, Any]]) -> str:
    """Check minutes and return who won: the chain holds, reveals match commitments, and the count can be repeated.

    Raises:
        VerificationError: something does not hold; the message says what.
    """
    previous = GENESIS
    for number, entry in enumerate(minutes):
        if entry.get("prev") != previous or entry.get("seq") != number:
            raise VerificationError(f"entry {number} does not follow from the one before")
        previous = sha256(canonical_bytes(entry))
    if not minutes or minutes[0]["event"] != "council" or minutes[-1]["event"] != "count":
        raise VerificationError("the minutes are not complete")
    stakes, judges = minutes[0]["stakes"], minutes[0]["judges"]
    for count in (entry for entry in minutes if entry["event"] == "count"):
        of_round = [entry for entry in minutes if entry.get("round") == count["round"]]
        committed = {entry["member"]: entry["sha256"] for entry in of_round if entry["event"] == "commit"}
        texts = {entry["member"]: entry["text"] for entry in of_round if entry["event"] == "reveal"}
        if committed != {name: _hash(text) for name, text in texts.items()} or set(texts) != set(stakes):
            raise VerificationError(f"round {count['round']}: a proposal is not what was committed to")
        votes: dict[str, dict[str, float]] = {judge: {} for judge in judges}
        for entry in of_round:
            if entry["event"] == "vote":
                votes[entry["judge"]][entry["member"]] = entry["vote"]
        if any(set(given) != set(texts) for given in votes.values()):
            raise VerificationError(f"round {count['round']}: a vote is missing")
        weights = tally(texts, votes, stakes, judges)
        best = max(weights, key=lambda name: (weights[name], name))
        if weights != count["weights"] or best != count["best"] or count["agreed"] != (weights[best] >= QUORUM):
            raise VerificationError(f"round {count['round']}: the count is wrong")
    return str(minutes[-1]["best"])
