"""``gatllm train`` and ``gatllm report``: runs and the pages they are judged by."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from gatllm.cli.console import duration, note, print_json, progress_report, table
from gatllm.cli.market_options import MarketOptions
from gatllm.cli.options import Json, Quiet, RecipeName, RunFolder
from gatllm.cli.restart import restart_with
from gatllm.errors import UsageError

if TYPE_CHECKING:
    from gatllm.progress import Report
    from gatllm.training.promise import Commit, Promised

_NO_OPTIONS = MarketOptions()
train_app = App(name="train", help="Train a model by a recipe.")
report_app = App(name="report", help="Write the report of a run: one page with its curves.")


@train_app.default
def train(
    recipe: RecipeName,
    *,
    out: Path | None = None,
    set_: Annotated[list[str] | None, Parameter(name=["--set", "-s"], negative="")] = None,
    steps: int | None = None,
    minutes: float | None = None,
    seed: int | None = None,
    resume: bool = True,
    commit: Annotated[bool, Parameter(negative=())] = False,
    quiet: Quiet = False,
    json: bool = False,
    setting: Annotated[MarketOptions, Parameter(group="With --commit")] = _NO_OPTIONS,
) -> None:
    """Train a model by a recipe; the same command resumes a run that was interrupted.

    Parameters
    ----------
    out
        The run folder; runs/NAME by default.
    set_
        KEY=VALUE over the recipe, for example --set train.lr=0.001; may be repeated.
    steps
        Train for so many updates instead of the recipe's budget.
    minutes
        Train for so long instead of the recipe's budget.
    seed
        The seed that everything random derives from.
    resume
        Go on with a run that lies in the folder.
    commit
        Before training, promise data and recipe on chain with the trainer's key; the hash of the next block gives the
        seed, so that nobody could choose it. `gatllm proof register` answers the promise.
    json
        Print the final metrics as JSON.
    """
    from gatllm.training import Recipe
    from gatllm.training.pinning import missing_variables

    if commit and seed is not None:
        raise UsageError("with --commit nobody chooses the seed", "leave out --seed")
    if steps is not None and minutes is not None:
        raise UsageError("--steps and --minutes exclude each other", "give one of them")
    overrides = parse_overrides(set_ or [])
    given = {"train.steps": steps, "train.minutes": minutes, "seed": seed}
    overrides |= {key: value for key, value in given.items() if value is not None}
    wanted = Recipe.load(recipe, overrides)
    restart_with(missing_variables(wanted))
    from gatllm.training import train as train_run  # it loads torch

    folder = out or Path("runs") / wanted.name
    with progress_report(quiet=quiet) as report:
        run = train_run(
            wanted,
            folder,
            resume=resume,
            commit=_committing(setting, folder, report) if commit else None,
            report=report,
            observe=lambda e, f: show_event(e, f, quiet=quiet),
        )
    if json:
        print_json({"run": str(run.path), "metrics": run.metrics})
        return
    from gatllm.training.report import rows, summary

    table(str(run.path), ("what", "value"), rows(summary(run)))
    if not quiet:
        note(f"see {run.path / 'report' / 'report.md'}")


def _committing(setting: MarketOptions, folder: Path, report: Report) -> Commit:
    """Return what promises a run on chain; for a run that is still to begin the chain is opened now."""
    from gatllm.market import ProofRegistry

    def registry() -> ProofRegistry:
        chain = setting.chain(report=report)
        return ProofRegistry(chain, setting.deployment(chain))

    log = folder / "log.jsonl"
    opened = None if log.is_file() and log.stat().st_size else registry()

    def commit(data_root: str, plan: str, salt: str) -> Promised:
        promised = (opened or registry()).commit(data_root, plan, salt)
        what = f"data {data_root[:16]}…, plan {plan[:16]}…, hidden by a salt until the run is registered"
        note(f"promised on chain: {what}; block {promised.block[:16]}… and {promised.trainer} give the seed")
        return promised

    return commit


@report_app.default
def report(run: RunFolder, *, json: Json = False) -> None:
    """Write the report of a run, finished or not, and print its numbers."""
    from gatllm.training import Run
    from gatllm.training.report import rows, summary, verdict, write_report

    opened = Run.open(run)
    page = write_report(opened)
    numbers = summary(opened)
    if json:
        print_json(numbers)
        return
    table(f"{run}: {numbers['name']}", ("what", "value"), rows(numbers))
    note(f"{verdict(numbers).replace('**', '')} See {page}")


def parse_overrides(settings: list[str]) -> dict[str, Any]:
    """Return ``KEY=VALUE`` settings as dotted keys; a value is TOML, or else a plain string.

    Raises:
        UsageError: a setting has no ``=``.
    """
    overrides: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise UsageError(f"--set {setting} is not KEY=VALUE", "write for example --set train.lr=0.001")
        try:
            overrides[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            overrides[key.strip()] = value.strip()
    return overrides


def show_event(event: str, fields: Mapping[str, Any], *, quiet: bool) -> None:
    """Print an evaluation or a sample of a run as it comes."""
    if quiet:
        return
    if event == "validation":
        known = {"step", "seconds", "held_out"}  # a count, the same each time: it stands in the table at the end
        others = "  ".join(f"{name} {value:.4f}" for name, value in fields.items() if name not in known)
        on = "validation" if fields.get("held_out", 1) else "on what is learnt,"
        note(f"  step {fields['step']:,} after {duration(fields['seconds'])}: {on} {others}")
    elif event == "sample":
        note("\n".join(f"  | {line}" for line in str(fields["text"]).splitlines()))
