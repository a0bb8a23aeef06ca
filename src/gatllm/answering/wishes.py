"""What people asked for and the data did not cover: wishes for more data, in a log that can't be edited unseen."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from gatllm.errors import GatllmError
from gatllm.records import HashLog, read_log

_THREADS = threading.Lock()
_TRIES = 60  # three seconds


class Wishes:
    """A log of prompts whose confidence was below the threshold. Opened only while it is written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, prompt: str, confidence: float, threshold: float) -> None:
        """Keep one wish.

        Raises:
            GatllmError: the log can't be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise GatllmError(f"can't write {self.path}: {error.strerror}", "name another file") from None
        with _THREADS, self._when_free() as log:
            log.append("wish", prompt=prompt, confidence=round(confidence, 4), threshold=round(threshold, 4))

    def _when_free(self) -> HashLog:
        """Open the log once the process that is writing it, for a moment, is done."""
        for _ in range(_TRIES):
            try:
                return HashLog(self.path)
            except GatllmError as error:
                if "another process" not in error.cause:
                    raise
                time.sleep(0.05)
        return HashLog(self.path)

    def all(self) -> list[dict[str, Any]]:
        """Return the wishes so far.

        Raises:
            VerificationError: the log was changed.
        """
        return read_log(self.path) if self.path.is_file() else []
