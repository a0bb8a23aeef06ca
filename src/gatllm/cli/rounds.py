"""`gatllm rounds`: the discriminator against a breaker that learns what it misses."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from gatllm.cli.console import print_json, progress_report, table
from gatllm.errors import UsageError


def rounds(
    run: Path,
    *,
    out: Path | None = None,
    rounds: int = 5,
    minutes: float = 2.0,
    cases: int = 12,
    generator: Path | None = None,
    quiet: Annotated[bool, Parameter(negative=())] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Train a discriminator on, round by round, on what it misses; both sides are measured on fixed held-out code.

    The same command goes on with rounds that were interrupted.

    Args:
        run: run folder of a discriminator.
        out: folder of the rounds; runs/rounds by default.
        rounds: how many.
        minutes: training in each.
        cases: errors of each kind that the breaker tries, and that the standing is measured on.
        generator: run folder of a generator, whose samples count as fakes.
        quiet: show no progress.
        json: print the standings as JSON.
    """
    if rounds < 1 or cases < 1 or minutes <= 0:
        raise UsageError("nothing to play", "--rounds, --cases and --minutes are at least 1, 1 and above 0")
    from gatllm.training.adversarial import play

    folder = out or Path("runs/rounds")
    with progress_report(quiet=quiet) as report:
        found = play(run, folder, rounds=rounds, minutes=minutes, cases=cases, generator=generator, report=report)
    if json:
        print_json([asdict(standing) for standing in found])
        return
    names = (
        "round",
        "repaired",
        "AUROC (meaning)",
        "false alarms",
        "AUROC (samples)",
        "samples parse",
        "samples clean",
    )
    rows = [
        (
            standing.round,
            f"{standing.repaired:.1%}",
            "" if standing.auroc is None else f"{standing.auroc:.3f}",
            f"{standing.false_alarms:.1%}",
            "" if standing.auroc_samples is None else f"{standing.auroc_samples:.3f}",
            "" if standing.samples_parse is None else f"{standing.samples_parse:.1%}",
            "" if standing.samples_clean is None else f"{standing.samples_clean:.1%}",
        )
        for standing in found
    ]
    table(f"rounds in {folder}", names, rows)
