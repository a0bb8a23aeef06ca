"""The curves of a run as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gatllm.figures import CONTRAST, LIGHT, MAIN, new_figure, plain, save
from gatllm.training.run import Run

_DECADE = 10.0  # a wider range is drawn on a logarithmic scale


def draw_curves(run: Run, target: Path) -> None:
    """Draw loss, learning rate, tokens per second and gradient norm over the steps of ``run``."""
    from matplotlib.ticker import LogLocator, NullLocator

    steps, validations = run.events("step"), run.events("validation")
    x = [entry["step"] for entry in steps]
    tokens = sum(entry["tokens"] for entry in steps)
    figure = new_figure(11, 7, f"{run.recipe.name}: {len(steps):,} updates, {tokens:,} tokens")
    (loss, rate), (speed, norm) = figure.subplots(2, 2, sharex=True)
    _loss(loss, x, steps, validations)
    rate.plot(x, [entry["lr"] for entry in steps], color=MAIN)
    rate.set(title="learning rate (AdamW)", ylim=(0, None))
    rate.yaxis.set_major_formatter("{x:g}")
    rates = [entry["tokens_per_second"] for entry in steps]
    speed.plot(x, smoothed(rates), color=MAIN)
    speed.set(title="tokens per second", ylim=(0, 1.2 * sorted(rates)[int(0.98 * (len(rates) - 1))]), xlabel="step")
    speed.yaxis.set_major_formatter("{x:,.0f}")
    there = [entry for entry in steps if entry["grad_norm"] is not None]  # none where fp16 overflowed
    where, norms = [entry["step"] for entry in there], [entry["grad_norm"] for entry in there]
    norm.plot(where, norms, color=LIGHT, linewidth=0.7)
    norm.plot(where, smoothed(norms), color=MAIN)
    norm.set(title="gradient norm", yscale="log", xlabel="step")
    norm.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))  # within one decade too there are lines to read
    norm.yaxis.set_minor_locator(NullLocator())
    norm.yaxis.set_major_formatter("{x:g}")
    plain(loss, rate, speed, norm)
    save(figure, target)


def _loss(axes: Any, x: Sequence[int], steps: Sequence[dict[str, Any]], validations: Sequence[dict[str, Any]]) -> None:
    losses = [entry["loss"] for entry in steps]
    axes.plot(x, losses, color=LIGHT, linewidth=0.7)
    axes.plot(x, smoothed(losses), color=MAIN, label="training")
    if validations:
        where = [entry["step"] for entry in validations]
        measured = [entry["loss"] for entry in validations]
        axes.plot(where, measured, color=CONTRAST, marker="o", ms=3, label=f"validation, best {min(measured):.4f}")
        best = measured.index(min(measured))
        axes.plot(where[best], measured[best], color=CONTRAST, marker="o", ms=9, fillstyle="none")
    low, high = _limits(losses, [entry["loss"] for entry in validations])
    axes.set(title="loss, nats")
    if low > 0 and high > _DECADE * low:
        axes.set(yscale="log", ylim=(0.9 * low, 1.1 * high))
        axes.yaxis.set_major_formatter("{x:g}")
    else:
        margin = 0.05 * (high - low) or 0.1
        axes.set(ylim=(low - margin, high + margin))
    axes.legend(frameon=False, loc="upper right")


def _limits(losses: Sequence[float], validations: Sequence[float]) -> tuple[float, float]:
    """Return what of the losses must be in the picture: all of the validation's, or over-fitting would not be seen.

    The first training losses are far above all that matters later: without them the curve's bend can be read.
    """
    later = sorted(losses)[: max(1, int(0.97 * len(losses)))]
    return min([*losses, *validations]), max([later[-1], *validations])


def smoothed(values: Sequence[float], fraction: float = 0.02) -> list[float]:
    """Return the exponential moving average of ``values`` over about ``fraction`` of them, unbiased at the start."""
    keep = 1 - 1 / max(1.0, fraction * len(values))
    result, average, weight = [], 0.0, 0.0
    for value in values:
        average = keep * average + (1 - keep) * value
        weight = keep * weight + (1 - keep)
        result.append(average / weight if weight else value)
    return result
