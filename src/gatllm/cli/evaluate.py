"""``gatllm eval`` and ``gatllm tune``: how good a model is, and which settings make it better."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from gatllm.cli.console import note, print_json, progress_report, table

eval_app = App(name="eval", help="Zero-, one- and few-shot evaluation of a run or a pretrained model.")
tune_app = App(name="tune", help="Search for better hyper-parameters of a recipe.")


@eval_app.default
def evaluate(
    model: str,
    tasks: Annotated[list[str] | None, Parameter(name=["--task", "-t"], negative="")] = None,
    *,
    shots: Annotated[list[int] | None, Parameter(name=["--shots"], negative="", consume_multiple=True)] = None,
    limit: int = 100,
    tokens: int = 32,
    template: str = "",
    seed: int = 0,
    quiet: bool = False,
    json: bool = False,
) -> None:
    """Ask a model the questions of a task, with 0, 1 and 5 solved examples in the prompt.

    Parameters
    ----------
    model
        A run folder, or a pretrained model: a hub id, a folder, or a GGUF file.
    tasks
        alphabetize, reverse, uppercase, sums, or a JSON file of {"input", "output"} examples; may be repeated.
    shots
        Numbers of solved examples.
    limit
        Questions of each task.
    tokens
        The most tokens of an answer.
    template
        How a question is put; {input} stands for it. An encoder-decoder is asked the bare question by default.
    seed
        Decides which questions and examples are drawn.
    quiet
        Show no progress.
    json
        Print JSON instead of a table.
    """
    from gatllm.training import fewshot

    is_run = (Path(model) / "recipe.toml").is_file()
    bare = is_run and _objective(Path(model)) == "seq2seq"
    asked = template or ("{input}" if bare else "Input: {input}\nOutput:")
    counts = shots or ([0] if bare else [0, 1, 5])
    wanted = [fewshot.load_task(name, template=asked) for name in tasks or ["alphabetize"]]
    with progress_report(quiet=quiet) as report:
        write = (
            fewshot.run_writer(Path(model), tokens=tokens)
            if is_run
            else fewshot.pretrained_writer(model, tokens=tokens, report=report)
        )
        scores = [
            score
            for task in wanted
            for score in fewshot.evaluate(task, write, shots=counts, limit=limit, seed=seed, report=report)
        ]
    if json:
        print_json([{**vars(score), "accuracy": score.accuracy} for score in scores])
        return
    rows = [
        (
            score.task,
            score.shots,
            f"{score.right}/{score.asked}",
            f"{score.accuracy:.1%}",
            f"{score.low:.1%} to {score.high:.1%}",
        )
        for score in scores
    ]
    table(model, ("task", "shots", "right", "accuracy", "95 % interval"), rows)


def _objective(run: Path) -> str:
    from gatllm.training import Run

    return Run.open(run).recipe.objective


@tune_app.default
def tune(
    recipe: str,
    *,
    out: Path | None = None,
    trials: int = 20,
    search: Annotated[list[str] | None, Parameter(name=["--search"], negative="")] = None,
    set_: Annotated[list[str] | None, Parameter(name=["--set", "-s"], negative="")] = None,
    steps: int | None = None,
    minutes: float | None = None,
    quiet: bool = False,
    json: bool = False,
) -> None:
    """Search for better hyper-parameters: each trial is a run of the recipe; the same command goes on with a study.

    Parameters
    ----------
    recipe
        A TOML file, or the name of a recipe that comes with gatllm.
    out
        The study's folder; runs/NAME-tune by default. It gets study.jsonl, trials/ and best.toml.
    trials
        How many trials the study shall have.
    search
        KEY=LOW..HIGH or KEY=A,B,C; may be repeated. Learning rates, weight decay and dropout by default.
    set_
        KEY=VALUE over the recipe for all trials; may be repeated.
    steps
        Updates of each trial.
    minutes
        Minutes of each trial.
    quiet
        Show no progress.
    json
        Print JSON instead of a table.
    """
    from gatllm.cli.train import parse_overrides
    from gatllm.training import Recipe, tuning

    overrides = parse_overrides(set_ or [])
    given = {"train.steps": steps, "train.minutes": minutes}
    overrides |= {key: value for key, value in given.items() if value is not None}
    wanted = Recipe.load(recipe, overrides)
    folder = out or Path("runs") / f"{wanted.name}-tune"
    with progress_report(quiet=quiet) as report:
        found = tuning.tune(wanted, folder, trials=trials, search=search or tuning.DEFAULT_SEARCH, report=report)
    if json:
        print_json({"loss": found.loss, "best": found.overrides, "recipe": str(found.recipe), "trials": found.trials})
        return
    names = list(found.trials[0])
    ordered = sorted(found.trials, key=lambda trial: (trial["loss"] is None, trial["loss"] or 0.0))
    rows = [[f"{trial[n]:.5g}" if isinstance(trial[n], float) else str(trial[n]) for n in names] for trial in ordered]
    table(str(folder), names, rows)
    note(f"the best settings are in {found.recipe}: gatllm train {found.recipe}")
