"""How a council counts: what every member, and anyone who reads the log, computes from the same messages.

Faulty members with less than a third of the stake can't change the outcome: a proposal's score is the stake-weighted
median of the critiques, which honest reviewers hold between them, and a decision needs more than two thirds of all
stake, members that crashed or lied included.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gatllm.answering.blocks import CodeBlock, split
from gatllm.answering.council.messages import Critique, Proposal, Vote
from gatllm.answering.library.tokens import tokenize
from gatllm.answering.library.words import plain_words
from gatllm.records import sha256

QUORUM = 2 / 3


def structure(text: str) -> str:
    """Return what two answers must share to count as the same: the structure of their code, or else their words."""
    codes = [
        sha256(tokenize(piece.code.encode("utf-8", "surrogatepass"))["structure"].hashes.tobytes())
        for piece in split(text)
        if isinstance(piece, CodeBlock) and piece.is_python
    ]
    return "code " + " ".join(codes) if codes else "words " + " ".join(sorted(set(plain_words(text))))


def standing(
    proposals: Iterable[Proposal], critiques: Iterable[Critique], stakes: Mapping[str, float]
) -> dict[str, float]:
    """Return how each proposal stands, from 0 to 1: half stake behind its like, half the median of its critiques."""
    same = {each.sender: structure(each.text or "") for each in proposals}
    scores: dict[str, list[tuple[float, float]]] = {sender: [] for sender in same}
    for each in critiques:
        if each.of in scores:
            scores[each.of].append((each.score, stakes[each.sender]))
    total = sum(stakes.values())

    def behind(sender: str) -> float:
        return sum(stakes[other] for other in same if same[other] == same[sender]) / total

    return {sender: round((behind(sender) + _median(scores[sender])) / 2, 9) for sender in same}


def _median(scores: list[tuple[float, float]]) -> float:
    """Return the least score that half of the stake is at or below; 0 without any."""
    half, sum_ = sum(stake for _, stake in scores) / 2, 0.0
    for score, stake in sorted(scores):
        sum_ += stake
        if sum_ >= half:
            return score
    return 0.0


def best_of(standings: Mapping[str, float]) -> str | None:
    """Return whose proposal stands best; of equals the one whose key is least."""
    return min(standings, key=lambda sender: (-standings[sender], sender), default=None)


def tally(votes: Iterable[Vote], stakes: Mapping[str, float]) -> dict[str, float]:
    """Return the fraction of all stake that voted for each proposal."""
    total = sum(stakes.values())
    weights: dict[str, float] = {}
    for vote in votes:
        weights[vote.of] = weights.get(vote.of, 0.0) + stakes[vote.sender] / total
    return {sender: round(weight, 9) for sender, weight in weights.items()}


def agreed_on(weights: Mapping[str, float]) -> str | None:
    """Return the proposal that more than two thirds of all stake are for, or None."""
    return next((sender for sender, weight in weights.items() if weight > QUORUM + 1e-9), None)
