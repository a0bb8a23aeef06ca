"""How well P(correct) holds: fits it anew from tasks with a known outcome, or measures it on others.

    python benchmarks/confidence.py ROWS.jsonl --fit OUT.json      # cross-validated by task; each feature alone
    python benchmarks/confidence.py ROWS.jsonl [--plot FOLDER]     # what ships, on tasks it was not fitted on

A row is one answered task: {"prompt", "example" (bool, or null where none was stated), "right", "mean", "min", "n"}.
Baselines: the mean log-probability alone, and the base rate. Prints a table and one JSON line.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from gatllm.answering.correctness import (
    AFTER,
    BEFORE,
    CorrectnessModel,
    Signals,
    Task,
    after_features,
    before_features,
    shipped,
)
from gatllm.answering.risk import Risk, draw_risk


def read(path: Path) -> list[Task]:
    tasks = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        example = "none" if row["example"] is None else "passed" if row["example"] else "failed"
        tasks.append(Task(row["prompt"], Signals(row["mean"], row["min"], row["n"], example), bool(row["right"])))
    return tasks


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
    labels = np.array([task.right for task in tasks])
    if options.fit:
        model = CorrectnessModel.fit(options.generator, tasks)
        options.fit.write_text(json.dumps(model.to_json()) + "\n", encoding="utf-8")
        before = np.array([score for score, _ in model.before_model.held_out])
        after = np.array([score for score, _ in model.after_model.held_out[::2]])
    else:
        model = shipped()
        before = np.array([model.before(task.prompt) for task in tasks])
        after = np.array([model.after(task.prompt, task.signals) for task in tasks])
    known = [bool(label) for label in labels]
    told = Risk.of(after.tolist(), known)
    first, second = Risk.of(before.tolist(), known).quality, told.quality
    warned = float((before[labels] < model.lowest).mean())
    covered, sure = told.coverage(0.05), model.certified
    print(f"{len(tasks)} tasks, {labels.mean():.1%} right; {'cross-validated' if options.fit else 'held out'}")
    print(f"before: AUROC {first.auroc:.3f}  ECE {first.ece:.3f}  solved tasks warned about {warned:.1%}")
    print(f"after:  AUROC {second.auroc:.3f}  ECE {second.ece:.3f}  coverage at 5 % risk {covered:.1%}")
    print("5 % risk: not certified" if sure is None else f"5 % risk: certified for {(after >= sure).mean():.1%}")
    means = np.array([task.signals.mean_logprob for task in tasks])
    print(f"baseline: mean log-probability AUROC {auroc(labels, means):.3f}; base rate ECE 0, AUROC 0.500")
    rows = np.array([after_features(score, task.signals) for score, task in zip(before, tasks, strict=True)])
    ahead = np.array([before_features(task.prompt) for task in tasks])
    for name, column in [*zip(BEFORE, ahead.T, strict=True), *zip(AFTER, rows.T, strict=True)]:
        print(f"  {name:32} alone {auroc(labels, column):.3f}")
    if options.plot:
        options.plot.mkdir(parents=True, exist_ok=True)
        draw_risk(after.tolist(), known, options.plot / "confidence.png")
    print(json.dumps({"tasks": len(tasks), "before": first.auroc, "after": second.auroc, "ece": second.ece}))


if __name__ == "__main__":
    main()
