"""The threshold that follows the task's difficulty and how reliable the network has been on such tasks.

An answer is right when the data covers the question and the generator then gets it right. With confidence c for the
first and a pass rate r for the second, c · r must reach the base threshold, so c must reach base / r. The pass rate is
the fraction of first proposals that the reviewers passed unchanged, kept for each degree of difficulty: a network that
keeps failing at hard tasks has to be surer of them.
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gatllm.answering.blocks import find_code
from gatllm.answering.library.words import plain_words
from gatllm.errors import GatllmError
from gatllm.records import write_file

Difficulty = Literal["easy", "medium", "hard"]
# What is believed before anything was seen, as passed and failed proposals (a Beta prior worth ten observations).
PRIOR: dict[Difficulty, tuple[float, float]] = {"easy": (9.5, 0.5), "medium": (9.0, 1.0), "hard": (8.0, 2.0)}
HIGHEST = 0.99  # a threshold that nothing can reach would be a refusal
_RAISED = 0.15  # failures raise a threshold by so much at most
_DECAY = 0.98  # what was seen counts for less with each new proposal: half after 34
_JOINTS = re.compile(r"\b(?:and|then|also|but|unless|except|when|otherwise|without|must|both)\b|[;,]", re.IGNORECASE)


def difficulty(prompt: str) -> Difficulty:
    """Grade a prompt by how much it asks for: its distinct words, its conditions and steps, and code to work on."""
    code = find_code(prompt)
    text = prompt.replace(code.code.rstrip("\n"), " ") if code else prompt
    steps = len(_JOINTS.findall(text)) + max(len(re.findall(r"[.!?]\s+\S|\n\s*[-*\d]", text)), 0)
    lines = code.code.count("\n") if code else 0
    load = len(set(plain_words(text))) / 8 + steps / 2 + lines / 15
    return "easy" if load < 1.5 else "medium" if load < 3.5 else "hard"


@dataclass(slots=True)
class _Count:
    passed: float
    failed: float

    @property
    def rate(self) -> float:
        return self.passed / (self.passed + self.failed)


class Reliability:
    """How often first proposals passed the review, by difficulty. Kept in ``path``, where one is given.

    Raises:
        GatllmError: the file at ``path`` is damaged.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._counts = {name: _Count(*prior) for name, prior in PRIOR.items()}
        if path is not None and path.is_file():
            try:
                kept = json.loads(path.read_bytes())
                self._counts = {name: _Count(float(kept[name][0]), float(kept[name][1])) for name in PRIOR}
            except (ValueError, KeyError, TypeError, IndexError):
                raise GatllmError(f"{path} is damaged", "remove it: the counts begin anew") from None

    def rate(self, level: Difficulty) -> float:
        """Return the expected fraction of proposals that pass (the mean of the Beta posterior)."""
        with self._lock:
            return self._counts[level].rate

    def learn(self, level: Difficulty, passed: bool) -> None:
        """Count one reviewed proposal.

        Raises:
            GatllmError: the file can't be written.
        """
        with self._lock:
            count = self._counts[level]
            first_passed, first_failed = PRIOR[level]
            count.passed = first_passed + _DECAY * (count.passed - first_passed) + passed
            count.failed = first_failed + _DECAY * (count.failed - first_failed) + (not passed)
            kept = {name: [each.passed, each.failed] for name, each in self._counts.items()}
            if self.path is not None:
                write_file(self.path, json.dumps(kept))

    def threshold(self, base: float, level: Difficulty) -> float:
        """Return what the confidence must reach for a task of this difficulty."""
        return min(max(base / self.rate(level), base), base + _RAISED, HIGHEST)
