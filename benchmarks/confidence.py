"""How well P(correct) holds: fits it anew from tasks with a known outcome, or measures it on others.

    python benchmarks/confidence.py ROWS.jsonl --fit OUT.json      # cross-validated by task; each feature alone
    python benchmarks/confidence.py ROWS.jsonl [--plot FOLDER]     # what ships, on tasks it was not fitted on

A row is one answered task: {"prompt", "example" (bool, or null where none was stated), "right", "code", "logprobs" (of
the first proposal's tokens)}.
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
    CorrectnessModel,
    Example,
    Signals,
    Task,
    after_features,
    shipped,
)
from gatllm.answering.risk import Risk, draw_risk


def read(path: Path) -> list[Task]:
    tasks = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        example: Example = "none" if row["example"] is None else "passed" if row["example"] else "failed"
        tasks.append(Task(row["prompt"], Signals.of(row["logprobs"], row["code"], example), bool(row["right"])))
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
    rows = np.array([after_features(task.prompt, task.signals) for task in tasks])
    passed = np.array([task.signals.example == "passed" for task in tasks])
    print(f"{'alone, AUROC of':34} all  those that pass their example")
    for name, column in zip(AFTER, rows.T, strict=True):
        print(f"  {name:32} {auroc(labels, column):.3f}  {auroc(labels[passed], column[passed]):.3f}")
    if options.fit:
        blind = np.array([score for score, _ in model.after_model.held_out[1::2]])
        seen, unseen = auroc(labels[passed], after[passed]), auroc(labels[passed], blind[passed])
        print(f"  {'after':32} {auroc(labels, after):.3f}  {seen:.3f}")
        print(f"  {'after, as if nothing were stated':32} {auroc(labels, blind):.3f}  {unseen:.3f}")
    if options.plot:
        options.plot.mkdir(parents=True, exist_ok=True)
        draw_risk(after.tolist(), known, options.plot / "confidence.png")
    print(json.dumps({"tasks": len(tasks), "before": first.auroc, "after": second.auroc, "ece": second.ece}))


if __name__ == "__main__":
    main()
