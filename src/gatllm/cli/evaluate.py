"""``gatllm eval`` and ``gatllm tune``: how good a model is, and which settings make it better."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from gatllm.cli.console import note, print_json, progress_report, table
from gatllm.cli.options import Json, Quiet, RecipeName
from gatllm.errors import UsageError
from gatllm.progress import Progress

# Not from where they are: this must not load torch.
_MEASURES = ("text", "answers", "abstention", "calibration", "code", "infilling", "repair")
_GAINS = {
    "refused": "of what the other got wrong, refused",
    "lost": "of what the other got right, lost",
    "due": "of what is refused, not known by the other",
}

eval_app = App(name="eval", help="Zero-, one- and few-shot evaluation of a run or a pretrained model.")
tune_app = App(name="tune", help="Search for better hyper-parameters of a recipe.")


@eval_app.default
def evaluate(
    model: str,
    tasks: Annotated[list[str] | None, Parameter(name=["--task", "-t"], negative="")] = None,
    *,
    code_tasks: Annotated[Path | None, Parameter(name=["--tasks"])] = None,
    review: Annotated[bool, Parameter(negative=())] = False,
    confidence: Annotated[bool, Parameter(negative=())] = False,
    out: Path | None = None,
    shots: Annotated[list[int] | None, Parameter(name=["--shots"], negative="", consume_multiple=True)] = None,
    limit: int | None = None,
    tokens: int | None = None,
    template: str = "",
    against: str = "",
    seed: int = 0,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Ask a model the questions of a task, with 0, 1 and 5 solved examples in the prompt; or to write tested code.

    With `--tasks FILE.jsonl` each row is a programming task (`task_id`, `prompt`, and `test_list`, or `test` with
    `entry_point`); the code is judged by the tests, in the sandbox. The first assertion of a `test_list` is part of the
    prompt, the others judge.

    Parameters
    ----------
    model
        A run folder, or a pretrained model: a hub id, a folder, a GGUF file, or default (the default chat generator);
        or the address of an engine that speaks OpenAI's API, http://….
    tasks
        alphabetize, reverse, uppercase, sums, or a JSON, JSONL, CSV or Parquet file of questions and answers; or a
        measure and what it is taken on: text:FILE (bits per byte), answers:FILE, abstention:FILE, calibration:FILE,
        code:FILE.jsonl (pass@k), infilling:SOURCE, repair:SOURCE, or a measure of your own, FILE.py:function:SOURCE.
        May be repeated.
    code_tasks
        A JSON Lines file of programming tasks with tests, in the form of MBPP or HumanEval.
    review
        With --tasks: measure the reviewed answers beside the bare first proposals, in the same run.
    confidence
        With --review: how well P(correct) held, and a picture of it beside the file of outcomes.
    out
        With --tasks: the file that keeps each outcome; the same command resumes it (default: below evaluations/).
    shots
        Numbers of solved examples.
    limit
        Questions of each task (default: 100; with --tasks, all).
    tokens
        The most tokens of an answer (default: 32; with --tasks, 400).
    template
        How a question is put; {input} stands for it. An encoder-decoder is asked the bare question by default.
    against
        With measures: another model, compared on the same items.
    seed
        Decides which questions and examples are drawn.
    """
    if measures := _measures_in(tasks or [], code_tasks):
        _measure(model, against, measures, limit or 100, (shots or [0])[0], seed, quiet=quiet, json=json)
        return
    if against:
        raise UsageError("--against compares measures", "write for example --task answers:FILE --against MODEL")
    if code_tasks is not None:
        if confidence and not review:
            raise UsageError("--confidence is about reviewed answers", "add --review")
        from gatllm.cli.evaluate_code import evaluate_tasks

        evaluate_tasks(model, code_tasks, review, confidence, out, limit, tokens or 400, seed, quiet=quiet, json=json)
        return
    if review or confidence or out is not None:
        raise UsageError(
            "--review, --confidence and --out belong to programming tasks", "name a file of them with --tasks"
        )
    from gatllm.models.tuned import is_tuned
    from gatllm.training import fewshot

    limit, tokens = limit or 100, tokens or 32
    is_run = (Path(model) / "recipe.toml").is_file() and not is_tuned(model)
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
            f"{score.f1:.3f}",
        )
        for score in scores
    ]
    table(model, ("task", "shots", "right", "accuracy", "95 % interval", "F1 of words"), rows)
    for score in scores:
        for given, why in score.unasked[:3]:
            note(f"{score.task}, {score.shots} shots: could not be asked, counts as wrong: {given[:60]!r} ({why})")
    for task in wanted:
        for line in task.left_out[:3]:
            note(f"{task.name}: left out: {line}" + (" …" if len(task.left_out) > 3 else ""))


def _measure(
    model: str, against: str, wanted: list[str], limit: int, shots: int, seed: int, *, quiet: bool, json: bool
) -> None:
    """Take measures of a model, and of another on the same items."""
    from gatllm.training import measures
    from gatllm.training.measures.questions import learnt_to_refuse

    taken: list[tuple[str, list[measures.Measured]]] = []
    with progress_report(quiet=quiet) as report:
        for name in [model, *([against] if against else [])]:
            subject = measures.open_subject(name, report)
            found: list[measures.Measured] = []
            taken.append((name, found))
            for number, asked in enumerate(wanted):
                report(Progress(f"measure {name}", number, len(wanted), "measures", asked))
                found.append(measures.measure(asked, subject, limit=limit, shots=shots, seed=seed))
    pairs = list(zip(taken[0][1], taken[1][1], strict=True)) if against else []
    compared = [measures.compare(mine, other) for mine, other in pairs]
    refusing = [learnt_to_refuse(before, after) for after, before in pairs if after.name == "abstention"]
    if json:
        print_json(
            {
                "models": [{"model": name, "measures": [asdict(one) for one in found]} for name, found in taken],
                "differences": [asdict(one) for one in compared],
                "refusals": refusing,
            }
        )
        return
    for name, found in taken:
        rows = [
            (one.name, number, _shown(value), f"{_shown(low)} to {_shown(high)}" if low is not None else "")
            for one in found
            for number, (value, low, high) in one.numbers.items()
        ]
        table(name, ("measure", "number", "value", "95 % interval"), rows)
        for one in found:
            for line in one.bad[:3]:
                note(f"{one.name}: could not be measured: {line}" + (" …" if len(one.bad) > 3 else ""))
    for one, difference in zip(taken[0][1], compared, strict=False):
        better = "less" if one.lower_is_better else "more"
        interval = f"95 % interval {difference.low:+.4f} to {difference.high:+.4f}, {difference.items} items"
        note(f"{one.name}: {difference.mean:+.4f} against {against} ({interval}; {better} is better)")
    for gains in refusing:
        for name, (value, low, high) in gains.items():
            note(f"abstention, {_GAINS[name]}: {value:.1%} ({low:.1%} to {high:.1%})")


def _measures_in(tasks: list[str], code_tasks: Path | None) -> list[str]:
    """Return the tasks where they are measures.

    Raises:
        UsageError: some are and some are not, one has no source, or one stands where programming tasks do.
    """
    if str(code_tasks or "").partition(":")[0] in _MEASURES:
        raise UsageError("--tasks takes a file of programming tasks", f"a measure is --task {code_tasks}")
    for name in tasks:
        if name in _MEASURES and not Path(name).exists():
            raise UsageError(f"what shall {name} be measured on?", f"write --task {name}:FILE")
    found = []
    for name in tasks:
        kind, colon, _ = name.partition(":")
        if colon and (kind in _MEASURES or kind.endswith(".py")):
            found.append(name)
        elif colon and kind.isidentifier() and not Path(name).exists():
            raise UsageError(f"there is no measure {kind!r}", f"NAME:FILE with one of {', '.join(_MEASURES)}")
    if found and (found != tasks or code_tasks is not None):
        raise UsageError("measures stand alone", "leave out the other tasks")
    return found


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _objective(run: Path) -> str:
    from gatllm.training import Run

    return Run.open(run).recipe.objective


@tune_app.default
def tune(
    recipe: RecipeName,
    *,
    out: Path | None = None,
    trials: int = 20,
    search: Annotated[list[str] | None, Parameter(name=["--search"], negative="")] = None,
    set_: Annotated[list[str] | None, Parameter(name=["--set", "-s"], negative="")] = None,
    steps: int | None = None,
    minutes: float | None = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Search for better hyper-parameters: each trial is a run of the recipe; the same command resumes a study.

    Parameters
    ----------
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
