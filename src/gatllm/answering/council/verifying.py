"""Anyone can repeat a council's decision from its log: the chain, every signature, every commitment, the count."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gatllm.answering.council.counting import QUORUM, agreed_on, tally
from gatllm.answering.council.messages import Proposal, Verdict, Vote, read_message
from gatllm.errors import VerificationError
from gatllm.records import GENESIS, canonical_bytes, read_log, sha256


def verify_decision(log: Sequence[dict[str, Any]]) -> str | None:
    """Check a decision log and return the key of the member whose proposal was agreed on; None: there was no agreement.

    Raises:
        VerificationError: something does not hold; the message says what.
    """
    previous = GENESIS
    for number, entry in enumerate(log):
        if entry.get("prev") != previous or entry.get("seq") != number:
            raise VerificationError(f"entry {number} does not follow from the one before")
        previous = sha256(canonical_bytes(entry))
    try:
        return _recount(log)
    except (KeyError, TypeError, AttributeError, IndexError):
        raise VerificationError("the decision log is not complete") from None


def _recount(log: Sequence[dict[str, Any]]) -> str | None:
    head = log[0]
    counts = [entry for entry in log if entry["event"] == "count"]
    if head["event"] != "council" or head["quorum"] != QUORUM or not counts:
        raise VerificationError("the decision log is not complete")
    stakes = {each["key"]: each["stake"] for each in head["members"]}
    if len(stakes) < len(head["members"]) or min(stakes.values()) <= 0:
        raise VerificationError("a stake is not above zero, or two members have one key")
    messages = [read_message(entry["message"]) for entry in log if entry["event"] == "message"]
    faulty = {entry["member"] for entry in log if entry["event"] == "fault"}
    for message in messages:
        if message.sender not in stakes or message.decision != head["decision"]:
            raise VerificationError(f"a {message.kind} is not a member's, or belongs to another decision")
    result = None
    for count in counts:
        number = count["round"]
        of_round = [message for message in messages if message.round == number]
        proposals = [message for message in of_round if isinstance(message, Proposal)]
        committed = {message.sender: message.commitment for message in proposals if message.text is None}
        for message in proposals:
            kept = committed.get(message.sender) == message.commitment
            if message.text is not None and message.sender not in faulty and not (kept and message.is_opened):
                raise VerificationError(f"round {number}: a proposal is not what was committed to")
        votes = [message for message in of_round if isinstance(message, Vote)]
        if len({vote.sender for vote in votes}) < len(votes):
            raise VerificationError(f"round {number}: a member voted twice")
        weights = tally(votes, stakes)
        result = agreed_on(weights)
        if weights != count["weights"] or result != count["best"] or count["agreed"] != (result is not None):
            raise VerificationError(f"round {number}: the count is wrong")
        for message in of_round:
            if isinstance(message, Verdict) and message.sender not in faulty and message.of != result:
                raise VerificationError(f"round {number}: a member signed another verdict")
    return result


def verify_transcript(path: Path) -> dict[str, Any]:
    """Check a transcript: its chain of hashes, and the decision of every council in it.

    Returns:
        How many ``entries`` it has, its ``head``, and for each council ``by``, ``agreed`` and how many ``messages``.

    Raises:
        VerificationError: something does not hold.
        GatllmError: there is no such file.
    """
    entries = read_log(path)
    if not entries:
        raise VerificationError(f"{path} is empty")
    councils = []
    for entry in entries:
        if entry["event"] != "council":
            continue
        log = entry.get("log")
        if not isinstance(log, list) or not log:
            raise VerificationError("the decision log is not complete")
        winner = verify_decision(log)
        names = {each["key"]: each["name"] for each in log[0]["members"]}
        if entry.get("agreed") != (winner is not None) or (winner is not None and names[winner] != entry.get("by")):
            raise VerificationError("the transcript names another decision than its log")
        signed = sum(each["event"] == "message" for each in log)
        councils.append({"by": entry.get("by"), "agreed": winner is not None, "messages": signed})
    return {"entries": len(entries), "head": sha256(canonical_bytes(entries[-1])), "councils": councils}
