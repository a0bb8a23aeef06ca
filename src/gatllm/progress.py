"""How long work tells how far it is. Subpackages report; only the command line draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """One report: ``done`` of ``total`` ``unit`` of a task (``total`` None: not known yet)."""

    task: str
    done: float
    total: float | None = None
    unit: str = ""
    note: str = ""


Report = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """The default: nobody listens."""
