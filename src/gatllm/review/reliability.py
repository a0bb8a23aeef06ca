"""The reliability plot: does a probability mean what it says (DeGroot and Fienberg 1983)?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gatllm.figures import EVEN, LIGHT, MAIN, new_figure, plain, save


def draw_reliability(bins: Sequence[tuple[float, float, int]], target: Path, title: str = "") -> None:
    """Draw observed fraction over stated probability, and how many texts each bin holds.

    Args:
        bins: (mean stated probability, observed fraction, how many); see `measures.reliability`.
        target: the PNG file.
        title: above the picture.
    """
    figure = new_figure(5.5, 6.5, title or "Reliability")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    total = sum(count for *_, count in bins)
    error = sum(abs(stated - observed) * count for stated, observed, count in bins) / max(total, 1)
    upper.plot([0, 1], [0, 1], color=EVEN, linestyle="--", linewidth=1, label="stated = observed")
    x, y = [stated for stated, *_ in bins], [observed for _, observed, _ in bins]
    upper.plot(x, y, color=MAIN, linewidth=1, zorder=2)
    sizes = [12 + 150 * count / max(total, 1) for *_, count in bins]
    upper.scatter(x, y, s=sizes, color=MAIN, zorder=3, label=f"expected calibration error {error:.3f}")
    upper.set(ylabel="fraction that is fake", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    upper.legend(frameon=False, loc="upper left")
    lower.bar(x, [count for *_, count in bins], width=0.04, color=LIGHT)
    lower.set(xlabel="stated probability of being fake", ylabel="texts")
    plain(upper, lower)
    save(figure, target)
