"""The page that a person judges a run by: `report/report.md`, its curves as PNG, its numbers as JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from gatllm.figures import markdown_table
from gatllm.records import new_folder
from gatllm.training.budget import clock
from gatllm.training.run import Run

PAGE = "report.md"
CURVES = "curves.png"
RELIABILITY = "reliability.png"
NUMBERS = "report.json"
_HELD_BACK = "Too few rows to hold some back: none was held back, and the losses are those of what was learnt."
_OVERFIT = 0.02  # nats above the best validation loss from which we speak of over-fitting
_RECENT = 50  # updates whose mean is called the training loss


def write_report(run: Run) -> Path:
    """Write (or renew) the report of a run, finished or not, and return its page."""
    folder = run.path / "report"
    numbers = summary(run)
    with new_folder(folder, replace=True) as temporary:
        if run.events("step"):
            from gatllm.training.plots import draw_curves

            draw_curves(run, temporary / CURVES)
        if bins := _reliability(run):
            from gatllm.review.reliability import draw_reliability

            draw_reliability(bins, temporary / RELIABILITY, f"{run.recipe.name}: held-out code, half with an error")
        (temporary / PAGE).write_text(_page(run, numbers), encoding="utf-8")
        (temporary / NUMBERS).write_text(json.dumps(numbers, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return folder / PAGE


def summary(run: Run) -> dict[str, Any]:
    """Return the numbers of a run: how long, how fast, how good, whether it over-fits."""
    steps, validations = run.events("step"), run.events("validation")
    recent = steps[-_RECENT:]
    best = min(validations, key=lambda entry: entry["loss"], default=None)
    speeds = sorted(entry["tokens_per_second"] for entry in steps)
    numbers: dict[str, Any] = {
        "name": run.recipe.name,
        "objective": run.recipe.objective,
        "complete": run.complete,
        "steps": len(steps),
        "tokens": sum(entry["tokens"] for entry in steps),
        "resumes": len(run.events("resume")),
        "metrics": run.metrics,
    }
    if recent:
        numbers["train_loss"] = sum(entry["loss"] for entry in recent) / len(recent)
        numbers["tokens_per_second"] = speeds[len(speeds) // 2]
    if best is not None:
        numbers["best_validation"] = {"loss": best["loss"], "step": best["step"]}
        numbers["overfits"] = validations[-1]["loss"] - best["loss"] > _OVERFIT
        # The loss of the discriminator is a sum of several: none of them says what guessing would give.
        vocabulary = run.recipe.model.get("vocabulary") if run.recipe.objective != "tagging" else None
        numbers["guessing"] = math.log(vocabulary) if vocabulary else math.inf
        numbers["guesses"] = run.metrics.get("loss", 0.0) >= numbers["guessing"]
    return numbers


def _page(run: Run, numbers: dict[str, Any]) -> str:
    parts = [f"# {run.recipe.name}", run.recipe.about, verdict(numbers), _table(numbers)]
    if run.events("step"):
        parts.append(f"![Loss, learning rate, speed and gradient norm]({CURVES})")
    if _reliability(run):
        parts.append(f"![Stated probability of being fake against the observed fraction]({RELIABILITY})")
    parts += [_validations(run), _samples(run), _origins(run)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _reliability(run: Run) -> tuple[tuple[float, float, int], ...]:
    """How well the probability of a discriminator holds; nothing where the run has no calibration."""
    if run.recipe.objective != "tagging":
        return ()
    from gatllm.review.loading import load_alarm

    alarm = load_alarm(run.path)
    return alarm.reliability if alarm is not None else ()


def verdict(numbers: dict[str, Any]) -> str:
    """Return whether the run is finished, how good it got and whether it over-fits, as a sentence or two."""
    state = "Finished." if numbers["complete"] else "**Not finished**: `gatllm train` with the same recipe continues."
    if "best_validation" not in numbers:
        return state
    best = numbers["best_validation"]
    if numbers["metrics"].get("held_out") == 0:
        return f"{state} {_HELD_BACK}"
    if numbers["guesses"]:
        return (
            f"{state} **No better than guessing**: a validation loss of {numbers['metrics']['loss']:.4f}, where each "
            f"token at the same odds gives {numbers['guessing']:.4f}. Lower train.lr and train.matrix_lr, or set "
            "train.clip = 1."
        )
    if numbers["overfits"]:
        return (
            f"{state} **It over-fits**: the best validation loss {best['loss']:.4f} was at step {best['step']:,}; "
            "train shorter, raise model.dropout, or take train.select = best."
        )
    return f"{state} Best validation loss {best['loss']:.4f} at step {best['step']:,}; no over-fitting seen."


def rows(numbers: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the numbers of `summary` as a person reads them: what, and how much."""
    metrics = {name: value for name, value in numbers["metrics"].items() if name not in {"step", "steps", "tokens"}}
    made = [("updates", f"{numbers['steps']:,}"), ("tokens", f"{numbers['tokens']:,}")]
    if "parameters" in metrics:
        made.insert(0, ("parameters", f"{metrics.pop('parameters'):,}"))
    if "seconds" in metrics:
        made.append(("time", clock(metrics.pop("seconds"))))
    if numbers["resumes"]:
        made.append(("resumed", f"{numbers['resumes']:,}"))
    if "train_loss" in numbers:
        made.append(("tokens/s (median)", f"{numbers['tokens_per_second']:,.0f}"))
        made.append((f"training loss (last {_RECENT} updates)", f"{numbers['train_loss']:.4f}"))
    if "loss" in metrics:
        made.append(("validation loss", _number(metrics.pop("loss"))))
    return [*made, *((_words(name), _number(value)) for name, value in metrics.items())]


def _table(numbers: dict[str, Any]) -> str:
    return markdown_table(("", ""), rows(numbers), numbers=[1])


def _words(name: str) -> str:
    return name.replace("_", " ")


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _validations(run: Run) -> str:
    entries = run.events("validation")
    if not entries:
        return ""
    known = {"seq", "time", "event", "prev", "step", "seconds", "loss"}
    names = ["loss", *(name for name in entries[0] if name not in known)]
    head = ["step", "time", *map(_words, names)]
    table = [
        [f"{entry['step']:,}", clock(entry["seconds"]), *(_number(entry.get(name, float("nan"))) for name in names)]
        for entry in entries
    ]
    return "## Validation\n\n" + markdown_table(head, table, numbers=range(len(head)))


def _samples(run: Run) -> str:
    entries = run.events("sample")
    if not entries:
        return ""
    fence = "````"
    blocks = [f"After step {entry['step']:,}:\n\n{fence}text\n{entry['text']}\n{fence}" for entry in entries[-3:]]
    return "## Samples\n\n" + "\n\n".join(blocks)


def _origins(run: Run) -> str:
    commitments = run.start["commitments"]
    env = commitments["environment"]
    origins = {
        "data": commitments["data_root"],
        "tokenizer": commitments["tokenizer"],
        "recipe": commitments["recipe"],
        "initial weights": commitments["init_root"],
        "code": f"gatllm {commitments['code']['version']}, {commitments['code']['source']}",
        "computed by": f"{env['device']}, {env['dtype']}, threads: {env['threads']}, torch {env['torch']}",
    }
    table = markdown_table(("", ""), [(name, f"`{value}`") for name, value in origins.items()])
    return f"## Where it comes from\n\n{table}"
