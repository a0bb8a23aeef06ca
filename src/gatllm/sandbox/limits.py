"""What one run may use."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one run; what goes beyond is stopped and said.

    ``wall_seconds`` is the time until the answer is here: the last tenth (at most half a second) is the server's, to
    stop the run and to say so.
    """

    cpu_seconds: int = 1
    wall_seconds: float = 3.0
    memory_mb: int = 512
    file_mb: int = 1
    output_bytes: int = 65_536
    reply_bytes: int = 1 << 18

    def as_dict(self) -> dict[str, Any]:
        """Return the limits by name."""
        return asdict(self)
