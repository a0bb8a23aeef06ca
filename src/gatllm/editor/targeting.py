"""A reviewer that judges by a Python version: what is newer than it is a mistake, what it reads is none."""

from __future__ import annotations

from typing import Literal, cast

from gatllm.editor.checking import Checked, Source, check_sources
from gatllm.editor.linting import VERSIONS, Linter
from gatllm.editor.repairing import fix_source
from gatllm.errors import UsageError
from gatllm.review.reviewer import By, Repair, Review, Reviewer

_NAME = "/answer.py"  # below no project, whose settings would hold for it


class TargetReviewer:
    """Checks and repairs texts that belong to no project as code for one Python version.

    Args:
        reviewer: who does it.
        target: the version, as ruff names it (``py312``).

    Raises:
        UsageError: there is no such version.
    """

    def __init__(self, reviewer: Reviewer, target: str) -> None:
        if target not in VERSIONS:
            raise UsageError(f"there is no Python version {target}", f"known: {', '.join(VERSIONS)}")
        self._reviewer, self._linter = reviewer, Linter(target)
        self.name = reviewer.name

    def check(self, text: str) -> Review:
        """Judge a text as `gatllm check --target-version` does."""
        (one,) = check_sources(self._reviewer, self._linter, [Source(_NAME, text)])
        return cast(Checked, one).review  # only a notebook can be something else

    def fix(self, text: str) -> Repair:
        """Repair a text as `gatllm fix --target-version` does."""
        done = fix_source(self._reviewer, self._linter, Source(_NAME, text))
        by = cast(By | Literal[""], done.by)
        tier = cast(Literal["fast", "careful"], done.tier)
        rest = (done.why, done.rules, done.needs, tier)
        return Repair(done.text, done.changed, done.compiles, done.candidates, by, *rest)
