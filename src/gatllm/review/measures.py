"""How well a detector does: area under the ROC curve, expected calibration error."""

from __future__ import annotations

from collections.abc import Sequence


def auroc(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """Probability that a positive scores above a negative, ties counted half (Mann and Whitney); NaN without both."""
    ranked = sorted(zip(scores, positive, strict=True), key=lambda pair: pair[0])
    total, below, wins, at = sum(positive), 0, 0.0, 0
    while at < len(ranked):
        end = at
        while end < len(ranked) and ranked[end][0] == ranked[at][0]:
            end += 1
        here = sum(flag for _, flag in ranked[at:end])
        wins += here * (below + (end - at - here) / 2)
        below += end - at - here
        at = end
    return wins / (total * below) if total and below else float("nan")


def reliability(
    probabilities: Sequence[float], positive: Sequence[bool], bins: int = 15
) -> list[tuple[float, float, int]]:
    """Return (mean stated probability, observed fraction, how many) of each equal-width bin that holds anything."""
    groups: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for value, flag in zip(probabilities, positive, strict=True):
        groups[min(int(value * bins), bins - 1)].append((value, flag))
    return [
        (sum(value for value, _ in group) / len(group), sum(flag for _, flag in group) / len(group), len(group))
        for group in groups
        if group
    ]


def expected_calibration_error(probabilities: Sequence[float], positive: Sequence[bool], bins: int = 15) -> float:
    """Mean gap between stated probability and observed fraction, over equal-width bins (Guo et al. 2017)."""
    found = reliability(probabilities, positive, bins)
    return sum(abs(stated - observed) * count for stated, observed, count in found) / max(len(probabilities), 1)
