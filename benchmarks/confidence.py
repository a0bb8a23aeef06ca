"""How well P(correct) holds: fits it anew from tasks with a known outcome, or measures it on others.

    python benchmarks/confidence.py ROWS.jsonl --fit OUT.json      # cross-validated by task; each feature alone
    python benchmarks/confidence.py ROWS.jsonl [--plot FOLDER]     # what ships, on tasks it was not fitted on

A row is one answered task: {"prompt", "example" (bool, or null where none was stated), "right", "mean", "min", "n"},
and "agreement" where proposals were compared.
With "code" (what is shown) in every row the generator reads the prompts and the code for its hidden states, which takes
about a second a row once and is kept beside the rows. "first" tells of a reviewed answer whether the first
proposal was right. Baselines: the mean log-probability alone, and the base rate. Prints a table and one JSON line.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from gatllm.answering.correctness import (
    AFTER,
    BEFORE,
    LAYER,
    READ_AFTER,
    READ_BEFORE,
    CorrectnessModel,
    Signals,
    Task,
    after_features,
    as_answer,
    before_features,
    messages_of,
    shipped,
)
from gatllm.answering.generators import load_generator
from gatllm.answering.risk import Risk, draw_risk


def read(path: Path) -> list[Task]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    states = states_of(rows, path.with_suffix(".npz")) if all(row.get("code") for row in rows) else None
    tasks = []
    for number, row in enumerate(rows):
        example = "none" if row["example"] is None else "passed" if row["example"] else "failed"
        signals = Signals(row["mean"], row["min"], row["n"], example, row.get("agreement"))
        read = None if states is None else tuple(side[number].tolist() for side in states)
        tasks.append(Task(row["prompt"], signals, bool(row["right"]), row.get("first"), read))
    return tasks


def states_of(rows: list[dict[str, Any]], kept: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the states (rows, width) of prompts, of prompts without their example, and of shown code."""
    if not kept.is_file():
        generator, found = load_generator(None), []
        for number, row in enumerate(rows, 1):
            prose = row["prompt"].split("\nYour code should pass")[0]
            alone, _ = generator.states(messages_of(prose), "", [LAYER])[LAYER]
            state, mean = generator.states(messages_of(row["prompt"]), as_answer(row["code"]), [LAYER])[LAYER]
            found.append((state, alone, mean))
            if number % 20 == 0:
                print(f"read {number} of {len(rows)}", flush=True)
        np.savez(kept, *(np.array(side, np.float32) for side in zip(*found, strict=True)))
    held = np.load(kept)
    return held["arr_0"], held["arr_1"], held["arr_2"]


def auroc(labels: np.ndarray, scores: np.ndarray) -> float:
    return float(roc_auc_score(labels, scores)) if 0 < labels.sum() < len(labels) else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=Path)
    parser.add_argument("--fit", type=Path)
    parser.add_argument("--generator", default="qwen2.5-coder-0.5b-instruct")
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    tasks = read(options.rows)
    if options.fit:
        model = CorrectnessModel.fit(options.generator, tasks)
        options.fit.write_text(json.dumps(model.to_json()) + "\n", encoding="utf-8")
    else:
        model = shipped()
    plain = (model.plain, [before_features(task.prompt) for task in tasks], [()] * len(tasks), BEFORE, AFTER)
    tell("words and what was run", plain, tasks, options)
    if model.read is not None and model.probes is not None and all(task.states for task in tasks):
        logits = [
            [probe.logit(task.states[at]) for task in tasks] for at, probe in zip((0, 2), model.probes, strict=True)
        ]
        ahead, more = ([(value,) for value in side] for side in logits)
        tell("hidden states as well", (model.read, ahead, more, READ_BEFORE, READ_AFTER), tasks, options)


def tell(title: str, side: tuple[Any, ...], tasks: list[Task], options: argparse.Namespace) -> None:
    """Print what one pair of models is worth."""
    moments, ahead, more, before_names, after_names = side
    labels = np.array([task.right for task in tasks])
    known = [bool(label) for label in labels]
    if options.fit:  # what was predicted without the task; before, of the reviewed answers alone
        before, of_before = (
            np.array([score for score, _ in moments.before.held_out]),
            [right for _, right in moments.before.held_out],
        )
        after = np.array([score for score, _ in moments.after.held_out])
    else:
        before, of_before = np.array([moments.before.probability(row) for row in ahead]), known
        rows = [
            [*after_features(value, task.signals), *extra]
            for value, task, extra in zip(before, tasks, more, strict=True)
        ]
        after = np.array([moments.after.probability(row) for row in rows])
    told, first = Risk.of(after.tolist(), known), Risk.of(before.tolist(), of_before).quality
    second, covered, sure = told.quality, told.coverage(0.05), moments.certified
    warned = float((before[np.array(of_before)] < moments.lowest).mean())
    print(f"{title}: {len(tasks)} tasks, {labels.mean():.1%} right; {'cross-validated' if options.fit else 'held out'}")
    print(f"  before: AUROC {first.auroc:.3f}  ECE {first.ece:.3f}  solved tasks warned about {warned:.1%}")
    print(f"  after:  AUROC {second.auroc:.3f}  ECE {second.ece:.3f}  coverage at 5 % risk {covered:.1%}")
    print("  5 % risk: not certified" if sure is None else f"  5 % risk: certified for {(after >= sure).mean():.1%}")
    means = np.array([task.signals.mean_logprob for task in tasks])
    print(f"  baseline: mean log-probability AUROC {auroc(labels, means):.3f}; base rate ECE 0, AUROC 0.500")
    if not options.fit:
        columns = [*zip(before_names, np.array(ahead).T, strict=True), *zip(after_names, np.array(rows).T, strict=True)]
        for name, column in columns:
            print(f"    {name:32} alone {auroc(labels, column):.3f}")
    if options.plot:
        options.plot.mkdir(parents=True, exist_ok=True)
        draw_risk(after.tolist(), known, options.plot / f"confidence_{title.split(maxsplit=1)[0]}.png")
    result = {"title": title, "before": asdict(first), "after": asdict(second), "coverage": covered, "certified": sure}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
