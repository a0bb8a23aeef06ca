"""What speaks for and against an answer once it is there, and the warning that it is shown with."""

from __future__ import annotations

from collections.abc import Sequence

from gatllm.answering.answer import Assessment, CodeReview
from gatllm.answering.correctness import Signals, reasons
from gatllm.models import Completion


def signals_of(reviews: Sequence[CodeReview], first: Completion) -> Signals | None:
    """Return what is known about the code of an answer; None where there is none that is whole."""
    written = [each for each in reviews if not each.from_prompt and each.verdict != "unchecked"]
    if not written or first.finish_reason == "length" or not first.token_logprobs:
        return None
    last = written[-1]
    outcome = last.trial.outcome if last.trial else ""
    return Signals(
        mean_logprob=first.mean_logprob,
        min_logprob=first.min_logprob,
        tokens=first.completion_tokens,
        example="passed" if outcome == "passed" else "failed" if outcome == "failed" else "none",
        agreement=last.agreement,
        invented=any(note.by == "knowledge" and note.error for each in written for note in each.notes),
    )


def warning_of(assessment: Assessment, first: Completion, signals: Signals | None, confidence: float | None) -> str:
    """Return the warning of an answer.

    Args:
        assessment: what was said before it was written.
        first: the first proposal.
        signals: see `signals_of`.
        confidence: P(correct) of the answer as it is; None where nothing is known of it but the prompt.
    """
    # What was said of the prompt alone says nothing any more once the answer itself is likely enough.
    threshold = assessment.threshold
    outdone = confidence is not None and threshold is not None and confidence >= threshold
    warnings = ["" if outdone and "it names what" not in assessment.warning else assessment.warning]
    warnings += reasons(signals) if signals is not None else []
    if first.decision is not None and not first.decision["agreed"]:
        warnings.append(f"the council did not agree: {first.decision['weight']:.0%} of the stake is for this answer")
    return "; ".join(filter(None, warnings))
