"""What a verification says: one plain verdict per item."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from gatllm.errors import InconclusiveError, VerificationError
from gatllm.proof.commitments import Hashes

Depth = Literal["hashes", "replay", "full"]
# "claimed": the trainer's word, shown and never a reason to pass. "skipped": it could not be judged.
Verdict = Literal["ok", "failed", "skipped", "claimed"]
_RESULT = ("final weights", "metrics")  # what a replay is for: updates alone do not show them
# "intact": hashes and signatures hold, and who asked wanted no more; what was trained is as unknown as before.
Outcome = Literal["verified", "intact", "inconclusive", "failed"]


def visible(text: str) -> str:
    """Return a stranger's text on one line: line ends, directions of writing and all that doesn't print are escaped."""
    return "".join(c if c.isprintable() and c != "\\" else c.encode("unicode_escape").decode("ascii") for c in text)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that was checked: a file by its path, or a property by its name."""

    name: str
    verdict: Verdict
    detail: str = ""

    def __str__(self) -> str:
        return f"{visible(self.name)}: {visible(self.detail)}"


@dataclass(frozen=True, slots=True)
class Commitment:
    """What a chain holds of a promise that a run answers: its block, and what the block after it gave.

    ``time`` is that of its block in seconds (None where the chain's clock is not the world's), ``note`` says who could
    have chosen what the later block gave.
    """

    block: int
    later_hash: str
    time: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Registration:
    """What a chain holds about a run: the four hashes, who registered them, and the promise before its training.

    ``time`` is that of the registration's block, ``earlier`` names registrations before it that share its output, log
    or data, ``unanswered`` the blocks of the trainer's promises that no run answers.
    """

    hashes: Hashes
    trainer: str
    commitment: Commitment | None = None
    time: int | None = None
    earlier: tuple[str, ...] = ()
    unanswered: tuple[int, ...] = ()


@dataclass(slots=True)
class Verification:
    """The verdicts on one run: ``updates`` are those that led to its result, as its log says.

    ``chosen`` of them were to be done again, ``redone`` were, with every bit equal; ``required`` must have been for the
    run to count as verified.
    """

    run: Path
    depth: Depth
    items: list[Item] = field(default_factory=list)
    updates: int = 0
    chosen: int = 0
    redone: int = 0
    required: int = 1

    @property
    def outcome(self) -> Outcome:
        """``failed`` when an item failed, ``verified`` when enough updates were done again, else ``inconclusive``.

        Where none were required and none done again it is ``intact``: nothing verified is never called so.
        """
        if self.failures or not self.items:
            return "failed"
        if any(item.verdict == "skipped" and item.name in _RESULT for item in self.items):
            return "inconclusive"
        if self.redone < self.required:
            return "inconclusive"
        return "verified" if self.redone else "intact"

    @property
    def ok(self) -> bool:
        """Whether the outcome is ``verified``: hashes that hold, and nothing done again, are not enough."""
        return self.outcome == "verified"

    @property
    def failures(self) -> list[Item]:
        """The items that failed."""
        return [item for item in self.items if item.verdict == "failed"]

    @property
    def reached(self) -> str:
        """What was reached, in words: ``hashes hold; 0 of 6 updates recomputed``."""
        first = (
            f"{len(self.failures)} item(s) failed, first {self.failures[0].name}" if self.failures else "hashes hold"
        )
        return f"{first}; {self.redone} of {self.updates} updates recomputed"

    def raise_on_failure(self) -> None:
        """Raise the first failure, naming it; an inconclusive outcome raises nothing.

        Raises:
            VerificationError: an item failed.
        """
        for item in self.failures:
            raise VerificationError(f"{self.run.name}: {item}")

    @property
    def exit_code(self) -> int:
        """What a command ends with: 0 verified (or intact, which must be asked for), 3 failed, 4 inconclusive."""
        codes = {"failed": VerificationError.exit_code, "inconclusive": InconclusiveError.exit_code}
        return codes.get(self.outcome, 0)

    def as_dict(self) -> dict[str, Any]:
        """Return the verdicts as plain data."""
        return {
            "run": str(self.run),
            "depth": self.depth,
            "outcome": self.outcome,
            "ok": self.ok,
            "reached": self.reached,
            "updates": {"logged": self.updates, "redone": self.redone, "required": self.required},
            "items": [asdict(item) for item in self.items],
        }
