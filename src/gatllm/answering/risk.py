"""What P(correct) is worth on answered tasks: order, calibration, and the risk at each coverage, in words and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gatllm.answering.estimator import Quality, measure
from gatllm.figures import EVEN, MAIN, new_figure, plain, save
from gatllm.review.measures import reliability


@dataclass(frozen=True, slots=True)
class Risk:
    """Answers ordered from the surest on: ``curve[k]`` is the fraction of wrong ones among the first ``k + 1``."""

    quality: Quality
    curve: tuple[float, ...]

    @classmethod
    def of(cls, scores: Sequence[float], right: Sequence[bool]) -> Risk:
        """Measure probabilities against outcomes; ties stand in the order given."""
        order = sorted(range(len(scores)), key=lambda at: -scores[at])
        wrong, curve = 0, []
        for count, at in enumerate(order, 1):
            wrong += not right[at]
            curve.append(wrong / count)
        return cls(measure(scores, right), tuple(curve))

    def coverage(self, risk: float) -> float:
        """Return the largest fraction of the answers, surest first, of which at most ``risk`` are wrong."""
        fitting = [count for count, found in enumerate(self.curve, 1) if found <= risk]
        return max(fitting, default=0) / max(len(self.curve), 1)


def draw_risk(scores: Sequence[float], right: Sequence[bool], target: Path) -> None:
    """Draw risk against coverage, and what was said against what was true, as PNG."""
    curve = Risk.of(scores, right).curve
    figure = new_figure(9, 4)
    risk, held = figure.subplots(1, 2)
    plain(risk, held)
    risk.plot([count / len(curve) for count in range(1, len(curve) + 1)], curve, color=MAIN)
    risk.set(xlabel="coverage", ylabel="risk", title="Risk and coverage", xlim=(0, 1), ylim=(0, 1))
    bins = reliability(scores, right, 10)
    held.plot([0, 1], [0, 1], linestyle=":", color=EVEN)
    held.plot([said for said, _, _ in bins], [true for _, true, _ in bins], marker="o", color=MAIN)
    held.set(xlabel="P(correct)", ylabel="fraction right", title="Reliability", xlim=(0, 1), ylim=(0, 1))
    save(figure, target)
