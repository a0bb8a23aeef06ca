"""How every report looks: its pictures (one canvas, one style, one way to write them) and its tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Muted and strong of the main pair, one that stands against them, and grey for what is only there to compare with.
LIGHT, MAIN, CONTRAST, EVEN = "#9fb8d9", "#33658a", "#c8501e", "#999999"
SERIES = (MAIN, CONTRAST, "#758e4f", "#86579c")


def new_figure(width: float, height: float, title: str = "") -> Figure:
    """Return an empty figure of ``width`` by ``height`` inches that draws without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title)
    return figure


def plain(*panels: Any) -> None:
    """Give axes a faint grid and take the frame's upper and right line away."""
    for axes in panels:
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)


def save(figure: Figure, target: Path) -> None:
    """Write a figure as PNG, sharp enough for a screen and small enough for a repository."""
    figure.savefig(target, dpi=110)


def markdown_table(names: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Sequence[int] = ()) -> str:
    """Return a table in Markdown; the columns in ``numbers`` (from 0) are set flush right."""
    rules = ["---:" if column in numbers else "---" for column in range(len(names))]
    cells = [list(names), *([str(cell).replace("|", "\\|") for cell in row] for row in rows)]
    head, *body = (f"| {' | '.join(row)} |" for row in cells)
    return "\n".join([head, f"|{'|'.join(rules)}|", *body])
