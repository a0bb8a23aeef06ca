"""What people asked for and the data did not cover: wishes for more data, in a log that can't be edited unseen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gatllm.records import HashLog, read_log


class Wishes:
    """A log of prompts whose confidence was below the threshold. Opened only while it is written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, prompt: str, confidence: float, threshold: float) -> None:
        """Keep one wish.

        Raises:
            GatllmError: the log can't be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with HashLog(self.path) as log:
            log.append("wish", prompt=prompt, confidence=round(confidence, 4), threshold=round(threshold, 4))

    def all(self) -> list[dict[str, Any]]:
        """Return the wishes so far.

        Raises:
            VerificationError: the log was changed.
        """
        return read_log(self.path) if self.path.is_file() else []
