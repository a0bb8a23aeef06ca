"""``gatllm demo``: everything once, on real code."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from gatllm.cli import console
from gatllm.cli.console import diff_lines, duration, note, print_diff, print_json, progress_report, table
from gatllm.progress import Report


@dataclass
class _Terminal:
    """Shows the steps: on stdout for people, on stderr when stdout carries JSON."""

    report: Report
    json: bool

    def say(self, text: str) -> None:
        if self.json:
            note(text)
        else:
            console.out.print(text, markup=False, style="bold" if text.startswith("[") else "")

    def diff(self, before: str, after: str, name: str) -> None:
        print_diff(diff_lines(before, after, name), console.err if self.json else console.out)


def demo(
    *,
    out: Path = Path("demo"),
    minutes: Annotated[float, Parameter(validator=validators.Number(gt=0, lte=10_000))] = 5.0,
    small: bool = False,
    seed: Annotated[int, Parameter(validator=validators.Number(gte=0, lt=2**53))] = 0,
    json: bool = False,
) -> int:
    """Show the whole of gatllm on real code: data, training, proof, chain, review, answers.

    A demo that was stopped resumes from what it finished; nothing outside the folder is changed, except that the
    chat model is fetched once into the cache.

    Parameters
    ----------
    out
        The folder that everything is written to.
    minutes
        Time for training, both models together.
    small
        Answer with the small chat model (0.1 GB instead of 0.5 GB).
    seed
        What every random choice is drawn from.
    json
        Print the summary as JSON on stdout, everything else on stderr.
    """
    from gatllm.demo import Options, rows, run_demo

    with progress_report() as report:
        summary = run_demo(Options(out, minutes, small, seed), _Terminal(report, json))
    statuses = [outcome.status for _, outcome in summary]
    if json:
        print_json(
            {
                "ok": "failed" not in statuses,
                "seconds": round(sum(outcome.seconds for _, outcome in summary), 1),
                "steps": {step.name: outcome.to_json() for step, outcome in summary},
            }
        )
    else:
        _summary(out, rows(summary), [(k, v) for _, o in summary for k, v in o.made.items()])
        note(f"{duration(sum(outcome.seconds for _, outcome in summary))} in all")
    return 1 if "failed" in statuses else 0


def _summary(folder: Path, steps: list[tuple[str, str, str, str]], made: list[tuple[str, str]]) -> None:
    table("What happened", ("step", "state", "numbers", "time"), steps)
    table("What was made", ("what", "where"), made)
    if any(state == "failed" for _, state, _, _ in steps):
        console.out.print("Put right what failed, then run the same command: it resumes.", markup=False)
        return
    model = folder / "runs" / "discriminator"
    console.out.print("Next:", style="bold")
    gatllm = _program()
    for command, what in (
        (f"{gatllm} chat", "talk to it"),
        (f"{gatllm} fix FILE --model {model}", "repair a file with the discriminator that was just trained"),
        (f"{gatllm} serve", "the chat page and the OpenAI-compatible API on this machine"),
        (f"{gatllm} proof verify {model}", "check the proof of training"),
    ):
        console.out.print(f"  {command:<60} {what}", markup=False)


def _program() -> str:
    """Return what to type for this program: after `make demo` the environment is not on ``PATH``."""
    if shutil.which("gatllm"):
        return "gatllm"
    program = Path(sys.executable).parent / "gatllm"
    return str(program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program)
