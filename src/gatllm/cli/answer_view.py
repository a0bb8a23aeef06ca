"""How `gatllm ask` and `gatllm chat` show what is known of an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatllm.cli.console import diff_lines, err, note, print_diff

if TYPE_CHECKING:
    from gatllm.answering import Answer, Assessment, CodeReview


def show_confidence(assessment: Assessment) -> None:
    """Show what the prompt may expect, and a warning where that is little."""
    if assessment.confidence is None or assessment.threshold is None:
        return
    sure = "" if assessment.certified else ", not certified"
    note(f"confidence {assessment.confidence:.0%} (threshold {assessment.threshold:.0%}{sure})")
    if assessment.warning:
        err.print("[bold yellow]warning:[/] ", end="")
        note(assessment.warning)


def show_review(answer: Answer) -> None:
    """Show the probability of being right, verdict, corrections and sources below an answer."""
    note("")
    words = {"real": "the code passed the review", "fake": "the code did not pass", "unchecked": "no Python to review"}
    if answer.confidence is not None and answer.confidence != answer.assessment.confidence:
        sure = "certified: at most 5 % of such answers are wrong" if answer.certified else "not certified"
        note(f"probability of being right {answer.confidence:.0%} ({sure})")
    if answer.warning and answer.warning != answer.assessment.warning:
        err.print("[bold yellow]warning:[/] ", end="")
        note(answer.warning)
    note(f"verdict: {answer.verdict}: {words[answer.verdict]}")
    for review in answer.reviews:
        _show_run(review)
        for remark in review.notes:
            if remark.error or remark.by == "discriminator":
                note(f"  line {remark.line}: {remark.message} ({remark.by})")
        if review.changed:
            print_diff(diff_lines(review.proposed, review.code, "answer.py"), err)
    if answer.finish_reason == "length":
        note("the answer was cut off; --max-tokens allows a longer one")
    _show_sources(answer)


def _show_sources(answer: Answer) -> None:
    if not answer.sources:
        note("no source in the data")
    for source in answer.sources[:4]:
        owner = f", {source.contributor}" if source.contributor else ""
        shown = ", shown to the generator" if source.retrieved else ""
        note(
            f"source: {source.origin} ({source.fraction:.0%} of the evidence{shown}; {source.licence}{owner};"
            f" record {source.leaf} of {source.dataset})"
        )
        best = source.evidence[0]
        note(f"  the answer:        {_one_line(best.text)}")
        note(f"  the data, line {best.line}: {_one_line(best.passage)}")
    if answer.similar:
        names = [f"{code.origin} {code.name}".strip() for code in answer.similar[:3]]
        note(f"similar code (no sources): {'; '.join(names)}")


def _one_line(text: str, most: int = 100) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _show_run(review: CodeReview) -> None:
    """Say what running the code against the prompt's own examples showed."""
    if review.trial is None or review.trial.outcome == "nothing stated":
        return
    if review.trial.outcome == "not run":
        note(f"not run: {review.trial.why}")
    for check in review.trial.checks:
        if check.passed:
            note(f"ran: {check.stated}; {check.got}")
    if review.rounds:
        agreed = "" if review.agreement is None else f", {review.agreement:.0%} of those that pass compute the same"
        note(f"the first proposal did not pass; this is the best of {review.proposals}{agreed}")
