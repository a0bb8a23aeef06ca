"""``gatllm eval`` and ``gatllm tune``: how good a model is, and which settings make it better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from gatllm.cli.console import note, print_json, progress_report, table
from gatllm.cli.options import Json, Quiet, RecipeName
from gatllm.errors import GatllmError, UsageError

if TYPE_CHECKING:
    from gatllm.answering.evaluation import Outcome
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
        A run folder, or a pretrained model: a hub id, a folder, a GGUF file, or default (the default chat generator).
    tasks
        alphabetize, reverse, uppercase, sums, or a JSON, JSONL, CSV or Parquet file of questions and answers; or a
        measure and what it is taken on: text:FILE (bits per byte), answers:FILE, abstention:FILE, calibration:FILE,
        code:FILE.jsonl (pass@k), infilling:SOURCE, repair:SOURCE. May be repeated.
    code_tasks
        A JSON Lines file of programming tasks with tests, in the form of MBPP or HumanEval.
    review
        With --tasks: measure the reviewed answers beside the bare first proposals, in the same run.
    confidence
        With --review: how well P(correct) held, and a picture of it beside the file of outcomes.
    out
        With --tasks: the file that keeps each outcome; the same command goes on with it (default: below evaluations/).
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
    measures = [name for name in tasks or [] if name.partition(":")[0] in _MEASURES and ":" in name]
    if measures:
        if measures != tasks or code_tasks is not None:
            raise UsageError("measures stand alone", "leave out the other tasks")
        _measure(model, against, measures, limit or 100, (shots or [0])[0], seed, quiet=quiet, json=json)
        return
    if against:
        raise UsageError("--against compares measures", "write for example --task answers:FILE --against MODEL")
    if code_tasks is not None:
        if confidence and not review:
            raise UsageError("--confidence is about reviewed answers", "add --review")
        _evaluate_code(model, code_tasks, review, confidence, out, limit, tokens or 400, seed, quiet=quiet, json=json)
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


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _evaluate_code(
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
    from gatllm.answering.correctness import shipped
    from gatllm.answering.risk import Risk, draw_risk

    right = [bool(outcome.reviewed) for outcome in outcomes]
    if not 0 < sum(right) < len(right):
        raise GatllmError("all answers were right, or all wrong: there is nothing to tell apart", "take more tasks")
    before = [outcome.before or 0.0 for outcome in outcomes]
    after = [first if outcome.after is None else outcome.after for first, outcome in zip(before, outcomes, strict=True)]
    draw_risk(after, right, picture)
    warned = [first < shipped().lowest for first, solved in zip(before, right, strict=True) if solved]
    return {
        "before": asdict(Risk.of(before, right).quality),
        "after": asdict(Risk.of(after, right).quality),
        "coverage": Risk.of(after, right).coverage(0.05),
        "solved_warned": sum(warned) / len(warned),
    }


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
    """Search for better hyper-parameters: each trial is a run of the recipe; the same command goes on with a study.

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
