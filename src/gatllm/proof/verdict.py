"""What a verification says: one plain verdict per item."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from gatllm.errors import VerificationError
from gatllm.proof.commitments import Hashes

Depth = Literal["hashes", "replay", "full"]
# "within tolerance": a replay elsewhere came close, which is weaker than "ok", where every bit is the same.
Verdict = Literal["ok", "within tolerance", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that was checked: a file by its path, or a property by its name."""

    name: str
    verdict: Verdict
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Commitment:
    """What a chain holds of a promise that a run answers: its block, and the hash of the block after it."""

    block: int
    later_hash: str


@dataclass(frozen=True, slots=True)
class Registration:
    """What a chain holds about a run: the four hashes, who registered them, and the promise before its training."""

    hashes: Hashes
    trainer: str
    commitment: Commitment | None = None


@dataclass(slots=True)
class Verification:
    """The verdicts on one run."""

    run: Path
    depth: Depth
    items: list[Item] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing failed. What was skipped is listed, not counted as failed."""
        return bool(self.items) and not self.failures

    @property
    def failures(self) -> list[Item]:
        """The items that failed."""
        return [item for item in self.items if item.verdict == "failed"]

    def raise_on_failure(self) -> None:
        """Raise the first failure, naming it.

        Raises:
            VerificationError: an item failed.
        """
        for item in self.failures:
            raise VerificationError(f"{self.run.name}: {item.name}: {item.detail}")

    def as_dict(self) -> dict[str, Any]:
        """Return the verdicts as plain data."""
        return {
            "run": str(self.run),
            "depth": self.depth,
            "ok": self.ok,
            "items": [asdict(item) for item in self.items],
        }
