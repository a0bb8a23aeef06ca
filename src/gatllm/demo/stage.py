"""What a step of the demo leaves behind, and what it shows while it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from gatllm.progress import Report

Status = Literal["done", "skipped", "failed"]


class Stage(Protocol):
    """Where a step shows itself; the command line draws it, tests record it."""

    @property
    def report(self) -> Report:
        """Where long work tells how far it is."""

    def say(self, text: str) -> None:
        """Show one line."""

    def diff(self, before: str, after: str, name: str) -> None:
        """Show what was changed."""


@dataclass(frozen=True)
class Options:
    """What the user asked of the demo."""

    out: Path
    minutes: float = 5.0
    small: bool = False
    seed: int = 0


@dataclass
class Outcome:
    """How one step ended: its numbers, where its results lie, how long it took."""

    status: Status
    numbers: dict[str, Any] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    why: str = ""
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        return cls(**value)


@dataclass(frozen=True)
class Step:
    """One step: ``run`` does the work; ``may_skip`` says that the summary may pass over it."""

    name: str
    title: str
    run: Callable[[Session, Stage], Outcome]
    may_skip: bool = False


@dataclass
class Session:
    """The folder of one demo and what its finished steps made."""

    options: Options
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    @property
    def out(self) -> Path:
        """The folder that everything lies in."""
        return self.options.out

    def folder(self, *parts: str) -> Path:
        """Return a place inside the demo's folder."""
        return self.out.joinpath(*parts)


def skipped(why: str) -> Outcome:
    """Return the outcome of a step that could not run for a reason that the demo allows."""
    return Outcome("skipped", why=why)


def rows(summary: Sequence[tuple[Step, Outcome]]) -> list[tuple[str, str, str, str]]:
    """Return the summary as rows: step, state, numbers, seconds."""
    return [
        (
            step.title,
            outcome.status,
            outcome.why or ", ".join(f"{name} {value}" for name, value in outcome.numbers.items()),
            f"{outcome.seconds:.0f} s",
        )
        for step, outcome in summary
    ]
