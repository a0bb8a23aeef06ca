"""``gatllm reinforce``: a model learns from its own answers, by what they are worth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gatllm.cli.console import note, print_json, progress_report, table
from gatllm.cli.train import parse_overrides

if TYPE_CHECKING:
    from gatllm.training.reinforcing import Round


def reinforce(
    recipe: str,
    *,
    out: Path | None = None,
    set_: Annotated[list[str] | None, Parameter(name=["--set", "-s"], negative="")] = None,
    quiet: bool = False,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Let a model learn from its own answers: it answers, a reward judges, it learns from what was worth it.

    Each round is a run with log, checkpoints and proof; its answers, each with its verdict, are a dataset to whose root
    the run commits. The same command resumes rounds that were stopped.

    Parameters
    ----------
    recipe
        A TOML file whose objective is policy, or the name of a recipe that comes with gatllm.
    out
        The folder of the rounds; runs/NAME by default.
    set_
        KEY=VALUE over the recipe, for example --set start=runs/mine or --set data.rounds=3; may be repeated.
    quiet
        Show no progress.
    json
        Print all rounds as JSON.
    """
    from gatllm.training import Recipe

    wanted = Recipe.load(recipe, parse_overrides(set_ or []))
    folder = out or Path("runs") / wanted.name
    from gatllm.training.reinforcing import reinforce as play  # it loads torch
    from gatllm.training.reinforcing import result

    with progress_report(quiet=quiet) as report:
        rounds = play(wanted, folder, report=report, observe=lambda one: _tell(one, quiet=quiet or json))
    best = result(rounds)
    if json:
        print_json({"run": best.run, "rounds": [vars(one) for one in rounds]})
        return
    names = ("round", "held-out reward", "right", "loss", "learnt", "mixed", "all right", "all wrong", "kept")
    rows = [
        (
            one.number,
            f"{one.held_out:.3f}",
            f"{one.exact:.1%}",
            f"{one.loss:.4f}",
            one.learnt,
            one.mixed,
            one.right,
            one.wrong,
            "yes" if one.kept else f"no: {one.why}",
        )
        for one in rounds
    ]
    table(str(folder), names, rows)
    if rounds[-1].number == 0:
        note("the reward gives every held-out answer 1 before the first round: there is nothing to learn")
    unchanged = "" if best.number else f"{wanted.model.get('base', '')} as it was: no round made it better"
    note(f"the model: {' '.join(filter(None, [best.run, unchanged]))}")


def _tell(one: Round, *, quiet: bool) -> None:
    if not quiet:
        note(f"  round {one.number}: held-out reward {one.held_out:.3f}, right {one.exact:.1%}, loss {one.loss:.4f}")
