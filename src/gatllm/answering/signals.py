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


def warning_of(assessment: Assessment, first: Completion, signals: Signals | None, *, judged: bool) -> str:
    """Return the warning of an answer.

    Args:
        assessment: what was said before it was written.
        first: the first proposal.
        signals: see `signals_of`.
        judged: a model of P(correct) saw them.
    """
    # That few such tasks are solved says nothing any more once the answer passes what the prompt states.
    passed = signals is not None and signals.example == "passed" and judged
    named = [part for part in assessment.warning.split("; ") if part.startswith("it names")]
    warnings = ["; ".join(named) if passed else assessment.warning]
    warnings += reasons(signals) if signals is not None else []
    if first.decision is not None and not first.decision["agreed"]:
        warnings.append(f"the council did not agree: {first.decision['weight']:.0%} of the stake is for this answer")
    return "; ".join(filter(None, warnings))
