"""``gatllm learn``: questions and answers, learnt word for word."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from gatllm.cli.console import note, print_json, progress_report, table
from gatllm.cli.options import Quiet
from gatllm.cli.train import parse_overrides


def learn(
    pairs: Path,
    questions: Annotated[list[str] | None, Parameter(negative="")] = None,
    *,
    out: Path | None = None,
    set_: Annotated[list[str] | None, Parameter(name=["--set", "-s"], negative="")] = None,
    quiet: Quiet = False,
    json: bool = False,
) -> None:
    """Learn the answers to questions, and answer; the same command resumes, and loads what is learnt.

    Parameters
    ----------
    pairs
        {"question": "answer"} or {"training_data": [{"input", "output"}]} as JSON, or JSONL, CSV, Parquet.
    questions
        What to ask when it has learnt.
    out
        The run folder; by default one in runs/ whose name follows from the pairs.
    set_
        KEY=VALUE over the recipe, for example --set train.minutes=5; may be repeated.
    json
        Print the run, its numbers and the answers as JSON.
    """
    from gatllm.training.text_generation import TextGeneration

    keys = {key.replace(".", "__"): value for key, value in parse_overrides(set_ or []).items()}
    with progress_report(quiet=quiet) as report:
        fitted = TextGeneration(pairs, out, report=report, **keys).fit()
    answers = fitted.answer(questions or [])
    assert fitted.run is not None  # noqa: S101  # it is fitted
    path, metrics = fitted.run.path, fitted.run.metrics
    if json:
        print_json({"run": str(path), "metrics": metrics, "answers": dict(zip(questions or [], answers, strict=True))})
        return
    note(f"{path}: {metrics['learnt']:.1%} of the answers it was told come back word for word")
    if fitted.held_out:
        held = f"{fitted.held_out:,} held-out questions"
        note(f"of {held}: {metrics['exact']:.1%} exact, F1 of words {metrics['f1']:.3f}")
    else:
        note("too few pairs to hold some back: all were learnt, and nothing is known about other questions")
    if questions:
        table("", ("question", "answer"), list(zip(questions, answers, strict=True)))
    else:
        again = ["gatllm", "learn", str(pairs), *(["--out", str(out)] if out else [])]
        again += [part for one in set_ or [] for part in ("--set", one)]
        note(f'ask: {shlex.join(again)} "…"')  # not `sample`, which gives the nearest answer to whatever is asked
