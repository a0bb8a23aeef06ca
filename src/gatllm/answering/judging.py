"""A proposal is judged: the reviewers read it, and the sandbox runs it on what the prompt states."""

from __future__ import annotations

import re
from dataclasses import replace

from gatllm.answering.answer import CodeReview, Note, Trial
from gatllm.answering.checking import CodeReviewer, review_code
from gatllm.answering.specification import Specification
from gatllm.answering.trial import CodeRunner, try_candidate

_DEFINES = r"^(?:async\s+def|def|class)\s+{name}\b|^{name}\s*="


def judge_code(
    code: str, reviewer: CodeReviewer, stated: Specification, runner: CodeRunner | None, *, language: str = "python"
) -> CodeReview:
    """Review a proposal and run it: a failed example is an error like the compiler's.

    A block that defines nothing is an example of use, and is not run. Without a ``runner`` nothing is.
    """
    review = review_code(code, reviewer, language=language)
    if not _is_asked_for(review.code, stated.function):
        return review
    trial = try_candidate(review.code, stated, runner)
    if trial.outcome == "failed" and review.changed:
        # A repair that was for nothing is not shown: the proposal stays as it was.
        bare = try_candidate(code, stated, runner)
        trial = bare if bare.outcome == "passed" else trial
        review = replace(review, code=code, edits=()) if bare.outcome == "passed" else review
    return _with_trial(review, trial)


def _is_asked_for(code: str, function: str) -> bool:
    name = re.escape(function)
    if name and re.search(_DEFINES.format(name=name), code, re.MULTILINE):
        return True
    return re.search(r"^(?:async\s+def|def|class)\s", code, re.MULTILINE) is not None


def _with_trial(review: CodeReview, trial: Trial) -> CodeReview:
    if trial.outcome != "failed":
        return replace(review, trial=trial)
    failed = [check for check in trial.checks if not check.passed]
    words = [f"{check.stated}, but {check.got}" for check in failed[:3]] or [trial.why]
    notes = tuple(Note(1, "example", text, "sandbox", True) for text in words)
    return replace(review, trial=trial, verdict="fake", notes=review.notes + notes)
