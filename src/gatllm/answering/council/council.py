"""Several generators and reviewers agree on an answer, in the style of proof of stake.

One round: every member **commits** to its proposal by its hash, so that nobody can copy; then all are **revealed**;
every reviewer **criticises** every proposal, which it reads and runs on what the question states; every member
**votes** for the one that stands best and signs the **verdict**. With more than two thirds of all stake the council
agrees; otherwise the members get the critiques and propose again. The decision log is a hash chain of signed messages
from which anyone can repeat the count (`verify_decision`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from gatllm.answering.council.counting import QUORUM, agreed_on, best_of, standing, tally
from gatllm.answering.council.messages import Confidence, Critique, Proposal, Verdict, Vote, fresh, read_message
from gatllm.answering.council.node import Node
from gatllm.answering.transcript import Transcript
from gatllm.errors import GatllmError, UsageError, VerificationError
from gatllm.models import ChatOptions, Completion, Message
from gatllm.records import digest

Step = str  # propose, reveal, review, vote or count
_KINDS: dict[Step, tuple[type[Any], ...]] = {
    "propose": (Proposal,),
    "reveal": (Proposal, Confidence),
    "review": (Critique,),
    "vote": (Vote,),
    "count": (Verdict,),
}


class Peer(Protocol):
    """A member as the council reaches it: in this process, or over the network."""

    def describe(self) -> dict[str, Any]:
        """Return name, key (Ed25519, hexadecimal), roles and context of the member."""

    def call(self, step: Step, request: dict[str, Any], timeout: float) -> list[Any]:
        """Take one step of a round and return the member's messages as plain values."""


class LocalPeer:
    """A member in this process."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def describe(self) -> dict[str, Any]:
        """Return who the member is."""
        return self.node.describe()

    def call(self, step: Step, request: dict[str, Any], timeout: float) -> list[Any]:  # noqa: ARG002  # same process
        """Take the step here."""
        return [message.model_dump() for message in take_step(self.node, step, request)]


def take_step(node: Node, step: Step, request: Mapping[str, Any]) -> list[Any]:
    """Let a node take one step of a round.

    Raises:
        VerificationError: the request holds a message that is not signed by its sender, or asks too early.
    """
    decision, number = str(request["decision"]), int(request["round"])
    if step == "propose":
        return node.propose(decision, number, request["turns"], ChatOptions(**request["options"]))
    if step == "review":
        return node.review(decision, number, request["seen"], request["stakes"], str(request.get("question", "")))
    take: Callable[..., list[Any]] = {"reveal": node.reveal, "vote": node.vote, "count": node.count}[step]
    return take(decision, number, request["seen"], request["stakes"])


@dataclass(frozen=True)
class Member:
    """A peer and its stake."""

    peer: Peer
    stake: float = 1.0


@dataclass(frozen=True)
class Decision:
    """What the council decided. ``agreed`` is false when no proposal had more than two thirds of the stake."""

    text: str
    by: str
    weight: float
    agreed: bool
    rounds: int
    log: tuple[dict[str, Any], ...] = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return what a completion carries."""
        return {
            "by": self.by, "weight": self.weight, "agreed": self.agreed, "rounds": self.rounds, "log": list(self.log)
        }  # fmt: skip


class Council:
    """Satisfies `ChatGenerator`, so that an `Assistant` can ask a council. Any number of threads may ask at once.

    Args:
        members: who sits in it.
        rounds: how often they may propose.
        timeout: seconds that each step of a round may take; who is later is not heard.

    Raises:
        UsageError: nobody proposes or reviews, a stake is not above zero, or two members have one key.
        GatllmError: a member can't be reached.
    """

    def __init__(self, members: Sequence[Member], *, rounds: int = 2, timeout: float = 300.0) -> None:
        if not members or rounds < 1:
            raise UsageError("a council needs members and at least one round")
        if min(member.stake for member in members) <= 0:
            raise UsageError("every stake must be above zero")
        self.rounds, self.timeout = rounds, timeout
        self._peers: dict[str, Peer] = {}
        self.members: list[dict[str, Any]] = []
        for member in members:
            about = member.peer.describe()
            if about["key"] in self._peers:
                raise UsageError(f"two members have the key {about['key'][:16]}…", "each needs a key of its own")
            self._peers[about["key"]] = member.peer
            self.members.append({**about, "stake": float(member.stake)})
        contexts = [each["context"] for each in self.members if each["context"]]
        if not contexts or not any("reviewer" in each["roles"] for each in self.members):
            raise UsageError("a council needs a member that generates and one that reviews")
        self.context = min(contexts)
        self.name = "council of " + ", ".join(each["name"] for each in self.members)

    def deliberate(self, messages: Sequence[Message], options: ChatOptions) -> Decision:
        """Propose and vote until more than two thirds of the stake agree, or the rounds are over.

        Raises:
            GatllmError: nobody proposed anything in time.
        """
        return _Deliberation(self, list(messages), options).run()

    def stream(self, messages: Sequence[Message], options: ChatOptions) -> Iterator[str | Completion]:
        """Yield the agreed answer, then its completion; nothing can be shown before there is agreement."""
        completion = self._complete(messages, options)
        yield completion.text
        yield completion

    def generate(self, conversations: Sequence[Sequence[Message]], options: ChatOptions) -> list[Completion]:
        """Decide about one conversation after the other."""
        return [self._complete(messages, options) for messages in conversations]

    def _complete(self, messages: Sequence[Message], options: ChatOptions) -> Completion:
        decision = self.deliberate(messages, options)
        return Completion(decision.text, "stop", 0, 0, decision=decision.to_json())

    def ask(self, step: Step, request: dict[str, Any], keys: Sequence[str]) -> dict[str, list[Any] | Exception]:
        """Let members take a step at the same time; who isn't done in time is an exception, as is who fails."""
        pool = ThreadPoolExecutor(max_workers=len(keys), thread_name_prefix="council")
        begun = time.monotonic()
        waiting: dict[str, Future[list[Any]]] = {
            key: pool.submit(self._peers[key].call, step, request, self.timeout) for key in keys
        }
        heard: dict[str, list[Any] | Exception] = {}
        for key, future in waiting.items():
            try:
                heard[key] = future.result(max(self.timeout - (time.monotonic() - begun), 0.001))
            except Exception as error:  # whatever a member does, the others go on
                heard[key] = error
        pool.shutdown(wait=False, cancel_futures=True)
        return heard


class _Deliberation:
    """One question before the council."""

    def __init__(self, council: Council, turns: list[Message], options: ChatOptions) -> None:
        self.council, self.turns = council, turns
        self.question = next((turn["content"] for turn in reversed(turns) if turn["role"] == "user"), "")
        self.options = {
            "max_new_tokens": options.max_new_tokens, "temperature": options.temperature, "top_k": options.top_k,
            "top_p": options.top_p, "seed": options.seed, "stop": list(options.stop),
        }  # fmt: skip
        self.decision = fresh()
        self.stakes = {each["key"]: each["stake"] for each in council.members}
        self.log = Transcript()
        self.log.add(
            "council", decision=self.decision, members=council.members, quorum=QUORUM, prompt=digest(list(turns))
        )
        self.faulty: set[str] = set()

    def run(self) -> Decision:
        best: str | None = None
        opened: dict[str, Proposal] = {}
        for number in range(1, self.council.rounds + 1):
            committed = self._step("propose", number, [])
            opened = {
                each.sender: each
                for each in self._step("reveal", number, committed)
                if isinstance(each, Proposal) and self._is_kept(each, committed)
            }
            shown = [*opened.values()]
            critiques = self._step("review", number, shown)
            votes = self._step("vote", number, [*shown, *critiques])
            weights = tally(votes, self.stakes)
            best = agreed_on(weights)
            self.log.add("count", round=number, weights=weights, best=best, agreed=best is not None)
            self._step("count", number, votes)
            if best is not None or number == self.council.rounds:
                break
            self._feed_back(opened, critiques)
        if not opened:
            raise GatllmError("no member of the council proposed anything in time", "see that its nodes run")
        stands = best_of(standing(opened.values(), critiques, self.stakes))
        chosen = opened[best if best in opened else stands or next(iter(opened))]
        name = next(each["name"] for each in self.council.members if each["key"] == chosen.sender)
        weight = weights.get(chosen.sender, 0.0)
        return Decision(chosen.text or "", name, weight, best is not None, number, tuple(self.log.entries))

    def _step(self, step: Step, number: int, seen: Sequence[Any]) -> list[Any]:
        """Take a step with all members that have not been faulty and return their messages."""
        request: dict[str, Any] = {"decision": self.decision, "round": number}
        if step == "propose":
            request |= {"turns": self.turns, "options": self.options}
        else:
            request |= {"seen": [message.model_dump() for message in seen], "stakes": self.stakes}
            request |= {"question": self.question} if step == "review" else {}
        asked = [key for key in self.stakes if key not in self.faulty]
        found: dict[tuple[str, str, str], Any] = {}
        for key, heard in self.council.ask(step, request, asked).items() if asked else ():
            if isinstance(heard, Exception):
                self._fault(key, number, step, _reason(heard))
                continue
            for value in heard if isinstance(heard, list) else [heard]:
                try:
                    message = self._accept(value, key, step, number)
                except VerificationError as error:
                    self._fault(key, number, step, error.cause)
                    break
                place = (type(message).__name__, key, getattr(message, "of", "") if step == "review" else "")
                if place in found:  # two answers to one question: neither can be trusted
                    self._fault(key, number, step, "answered twice")
                    break
                found[place] = message
        kept = [message for (_, key, _), message in found.items() if key not in self.faulty]
        for message in kept:
            self.log.add("message", message=message.model_dump())
        return kept

    def _accept(self, value: Any, key: str, step: Step, number: int) -> Any:
        message = read_message(value)
        if not isinstance(message, _KINDS[step]):
            raise VerificationError(f"a {message.kind} is not an answer to {step}")
        if message.sender != key:
            raise VerificationError("the message is another member's")
        if (message.decision, message.round) != (self.decision, number):
            raise VerificationError("the message belongs to another decision")
        return message

    def _is_kept(self, proposal: Proposal, committed: Sequence[Proposal]) -> bool:
        """Tell whether a proposal is what its sender committed to; otherwise the sender is faulty."""
        kept = any((each.sender, each.commitment) == (proposal.sender, proposal.commitment) for each in committed)
        if not (kept and proposal.is_opened):
            self._fault(proposal.sender, proposal.round, "reveal", "the proposal is not what was committed to")
            return False
        return True

    def _fault(self, key: str, number: int, step: Step, what: str) -> None:
        """Hear a member no more in this decision; its stake stays in the whole."""
        self.faulty.add(key)
        self.log.add("fault", round=number, member=key, step=step, what=what[:200])

    def _feed_back(self, opened: Mapping[str, Proposal], critiques: Sequence[Critique]) -> None:
        best = best_of(standing(opened.values(), critiques, self.stakes))
        if best is None:
            return
        findings = list(dict.fromkeys(finding for each in critiques for finding in each.findings))
        words = "Reviewers found: " + "; ".join(findings[:5]) if findings else "There was no agreement on an answer"
        self.turns = [
            *self.turns,
            {"role": "assistant", "content": opened[best].text or ""},
            {"role": "user", "content": f"{words}. Give your best answer again."},
        ]


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return error.cause if isinstance(error, GatllmError) else type(error).__name__


def seats(node: Node, count: int) -> list[Member]:
    """Return ``count`` members that share a generator and a reviewer, each with its own key and seed."""
    from gatllm.answering.council.messages import Identity

    return [
        Member(LocalPeer(replace(node, name=f"{node.name}#{seat}", identity=Identity.generate(), seed=1000 * seat)))
        for seat in range(count)
    ]
