"""``gatllm eval --tasks``: code that is written is judged by tests; and how well its P(correct) held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatllm.cli.console import note, print_json, progress_report, table
from gatllm.errors import GatllmError

if TYPE_CHECKING:
    from gatllm.answering.evaluation import Outcome


def evaluate_tasks(
    model: str,
    path: Path,
    review: bool,
    confidence: bool,
    out: Path | None,
    limit: int | None,
    tokens: int,
    seed: int,
    *,
    quiet: bool,
    json: bool,
) -> None:
    """Measure a generator on programming tasks; see `gatllm eval`."""
    from gatllm.answering.code_tasks import read_code_tasks
    from gatllm.answering.evaluation import evaluate_code, measure
    from gatllm.answering.generators import load_generator
    from gatllm.models import ChatOptions
    from gatllm.review.default import load_reviewer
    from gatllm.sandbox import Runner

    tasks, bad = read_code_tasks(path)
    for line in bad:
        note(f"left out: {line}")
    name = f"{Path(model).name}-{path.stem}" + ("-reviewed" if review else "")
    log = out or Path("evaluations") / f"{name}.jsonl"
    with Runner(workers=1) as runner, progress_report(quiet=quiet) as report:
        outcomes = evaluate_code(
            load_generator(None if model == "default" else model, report=report),
            tasks[:limit],
            runner,
            log,
            options=ChatOptions(max_new_tokens=tokens, seed=seed),
            reviewer=load_reviewer(None) if review else None,
            report=report,
        )
    found = measure(outcomes)
    difference, low, high = found.difference
    held = _confidence(outcomes, log.with_suffix(".png")) if confidence else {}
    if json:
        interval = {"difference": difference, "interval": [low, high]} if review else {}
        print_json({**asdict(found), "left_out": bad, **interval, **({"confidence": held} if held else {})})
        return
    rows = [("bare", f"{found.bare}/{found.asked}", f"{found.bare / found.asked:.1%}", f"{found.bare_seconds:.1f}")]
    if found.reviewed is not None and found.reviewed_seconds is not None:
        fraction = f"{found.reviewed / found.asked:.1%}"
        rows.append(("reviewed", f"{found.reviewed}/{found.asked}", fraction, f"{found.reviewed_seconds:.1f}"))
    table(model, ("answer", "right", "pass@1", "median seconds"), rows)
    if review:
        note(f"difference {difference:+.1%} (paired 95 % interval {low:+.1%} to {high:+.1%})")
        lost = f": {', '.join(found.lost)}" if found.lost else ""
        note(f"right first proposals made wrong by the review: {len(found.lost)}{lost}")
    if held:
        told = [(when, f"{held[when]['auroc']:.3f}", f"{held[when]['ece']:.3f}") for when in ("before", "after")]
        table("P(correct)", ("when", "AUROC", "ECE"), told)
        note(f"of the solved tasks {held['solved_warned']:.1%} are warned about")
        note(f"at most 5 % wrong among the surest {held['coverage']:.1%}; drawn in {log.with_suffix('.png')}")


def _confidence(outcomes: Sequence[Outcome], picture: Path) -> dict[str, Any]:
    """Return how well P(correct) held on tasks whose outcome is known; an answer without whole code keeps the first."""
    from gatllm.answering.risk import Risk, draw_risk

    right = [bool(outcome.reviewed) for outcome in outcomes]
    if not 0 < sum(right) < len(right):
        raise GatllmError("all answers were right, or all wrong: there is nothing to tell apart", "take more tasks")
    before = [outcome.before or 0.0 for outcome in outcomes]
    after = [first if outcome.after is None else outcome.after for first, outcome in zip(before, outcomes, strict=True)]
    draw_risk(after, right, picture)
    warned = [bool(outcome.warned) for outcome, solved in zip(outcomes, right, strict=True) if solved]
    return {
        "before": asdict(Risk.of(before, right).quality),
        "after": asdict(Risk.of(after, right).quality),
        "coverage": Risk.of(after, right).coverage(0.05),
        "solved_warned": sum(warned) / len(warned),
    }
