"""Fit `Repair.probability` and its threshold, and say what they are worth on packages never looked at.

    python benchmarks/review_probability.py make FILE [--set fit|choose|unseen] [--cases 2000] [--seed 1]
    python benchmarks/review_probability.py fit FIT CHOOSE     writes src/gatllm/review/probability.json
    python benchmarks/review_probability.py pairs PAIRS FILE               cases from lines of {"broken", "fixed"}
    python benchmarks/review_probability.py scale FIT PEOPLE [--bound 0.65]  the scale on top, and the threshold
    python benchmarks/review_probability.py judge UNSEEN       prints calibration, coverage against harm, one JSON line

Three sets of installed distributions, none of which the discriminator was trained on: the weights are fitted on the
first, the threshold is read off the second, the third is opened for the last command only. A case is a function or
class with one to three slips (`harm.slip`); a repair is meant if it has the tree of the original.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from harm import UNSEEN as CHOOSE
from harm import functions, meaning, slip, sources

from gatllm.review import compile_error, same_tree
from gatllm.review.critics import syntax_error
from gatllm.review.default import load_reviewer
from gatllm.review.effort import Effort
from gatllm.review.measures import expected_calibration_error
from gatllm.review.pool import POOL, gather
from gatllm.review.probability import FITTED
from gatllm.review.traits import NAMES, traits

SETS = {
    "fit": ("networkx", "pytest", "jinja2", "starlette", "click", "httpx", "tomlkit", "pyparsing", "websockets"),
    "choose": CHOOSE,
    "unseen": (
        *("sqlite-utils", "llm", "hatchling", "mcp", "uvicorn", "pluggy", "jsonschema", "parsimonious", "mako"),
        *("anyio", "pre-commit", "identify", "import-linter"),
    ),
}
SLIPS = (1, 1, 1, 1, 2, 2, 3)  # how many slips a case has
HARM = 0.002  # the fraction of all cases in which something is written that changes what the text says
PEOPLE = 4  # how much a person's error weighs beside a slip that was made
LEAST = 0.5  # what is less likely than not is not written, whatever a set of slips says
CLEAR = 0.995  # how often rules and search alone must be right where the discriminator is not asked


def make(target: Path, distributions: tuple[str, ...], count: int, seed: int) -> None:
    """Write one JSON line for each case: what was found, its features, whether it was meant and whether it harms."""
    rng, pool = random.Random(seed), functions(sources(list(distributions)))
    reviewer, done = load_reviewer(quick=True), 0
    with target.open("w", encoding="utf-8") as file:
        while done < count:
            original = rng.choice(pool)
            broken, wanted = original, rng.choice(SLIPS)
            for _ in range(wanted):
                broken = (slip(broken, rng) or (broken, 0))[0]
            error = compile_error(broken)
            if error is None:
                continue
            start = time.process_time()
            found, _ = gather(broken, error, reviewer.tagger, None, most=POOL, effort=Effort.of())
            spent = time.process_time() - start
            alone = [one for one in found if one.by & {"search", "rule"}][:1]
            row = {
                "slips": wanted,
                "says": re.sub(r"'[^']*'|\d+", "…", error.message),
                "seconds": round(spent, 4),
                "asked": [_told(broken, error, found, n, original) for n in range(len(found))],
                "unasked": [_told(broken, error, alone, n, original) for n in range(len(alone))],
                "original": original,
                "broken": broken,
                "texts": [one.text for one in found],
            }
            file.write(json.dumps(row) + "\n")
            file.flush()
            done += 1
            if done % 100 == 0:
                print(f"{done} of {count}", file=sys.stderr, flush=True)


def pairs(given: Path, target: Path) -> None:
    """Write the cases of errors with their fixes: what people typed, and what they typed next."""
    reviewer = load_reviewer(quick=True)
    with target.open("w", encoding="utf-8") as file:
        for one in read(given):
            error = compile_error(one["broken"])
            if error is None or syntax_error(one["broken"]) is None:
                continue
            found, _ = gather(one["broken"], error, reviewer.tagger, None, most=POOL, effort=Effort.of())
            asked = [_told(one["broken"], error, found, n, one["fixed"]) for n in range(len(found))]
            file.write(json.dumps({"slips": 0, "says": "", "asked": asked, "unasked": []}) + "\n")


def scale(path: Path, people: Path, bound: float) -> None:
    """Fit the scale on top of the weights that ship, and write it with the threshold, given as it is without scale."""
    from sklearn.linear_model import LogisticRegression

    fitted: dict[str, Any] = json.loads(FITTED.read_text(encoding="utf-8"))
    x: list[list[float]] = []
    y: list[bool] = []
    weights: list[int] = []
    for rows, weight in ((read(path), 1), (read(people), PEOPLE)):
        for value, right, _, who in decisions(rows, fitted["asked"], "asked"):
            odds = min(max(value, 1e-3), 1 - 1e-3)
            x.append([float(np.log(odds / (1 - odds))), float(who == "rule")])
            y.append(right)
            weights.append(weight)
    model = LogisticRegression(C=1.0).fit(x, y, sample_weight=weights)
    by, rule, bias = (round(float(one), 4) for one in (*model.coef_[0], model.intercept_[0]))
    fitted["scale"] = {"log-odds": by, "rule alone": rule, "bias": bias}
    fitted["threshold"] = round(float(1 / (1 + np.exp(-(by * np.log(bound / (1 - bound)) + bias)))), 4)
    fitted["made_with"] |= {"scale": {"slips": len(read(path)), "people": len(read(people)), "bound": bound}}
    FITTED.write_text(json.dumps(fitted, indent=1) + "\n", encoding="utf-8")
    print(fitted["scale"], fitted["threshold"])


def _told(broken: str, error: Any, found: list[Any], which: int, original: str) -> dict[str, Any]:
    one = found[which]
    right = same_tree(one.text, original)
    return {
        "features": [round(value, 4) for value in traits(broken, error, found, which)],
        "by": sorted(one.by),
        "gated": bool(one.harm),
        "right": right,
        "harm": not right and meaning(one.text) != meaning(original),
    }


def read(path: Path) -> list[dict[str, Any]]:
    """Return the cases of a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def probabilities(rows: list[dict[str, Any]], weights: dict[str, float], kind: str) -> list[list[float]]:
    """Return the probability of each repair of each case."""
    vector = np.array([weights[name] for name in NAMES])
    out = []
    for row in rows:
        features = np.array([one["features"] for one in row[kind]]).reshape(-1, len(NAMES))
        one = 1 / (1 + np.exp(-(features @ vector + weights["bias"])))
        out.append((one / max(one.sum(), 1.0)).tolist())
    return out


def scaled(decided: list[tuple[float, bool, bool, str]], by: dict[str, float]) -> list[tuple[float, bool, bool, str]]:
    """Return decisions with the scale on top of their probabilities."""
    out = []
    for value, right, harm, who in decided:
        odds = min(max(value, 1e-6), 1 - 1e-6)
        logit = by["log-odds"] * np.log(odds / (1 - odds)) + by["rule alone"] * (who == "rule") + by["bias"]
        out.append((float(1 / (1 + np.exp(-logit))), right, harm, who))
    return out


def decisions(rows: list[dict[str, Any]], weights: dict[str, float], kind: str) -> list[tuple[float, bool, bool, str]]:
    """Return (probability, right, harm, who) of each case's first repair that passes the gate."""
    out = []
    for row, values in zip(rows, probabilities(rows, weights, kind), strict=True):
        ranked = sorted(zip(values, row[kind], strict=True), key=lambda pair: (pair[1]["gated"], -pair[0]))
        if ranked and not ranked[0][1]["gated"]:
            value, one = ranked[0]
            out.append((value, one["right"], one["harm"], "+".join(one["by"])))
    return out


def fit(path: Path, choose: Path) -> None:
    """Fit the weights on one file, choose the thresholds on the other."""
    from sklearn.linear_model import LogisticRegression

    rows, others = read(path), read(choose)
    fitted: dict[str, Any] = {}
    for kind in ("asked", "unasked"):
        every = [one for row in rows for one in row[kind]]
        model = LogisticRegression(C=0.3, max_iter=2000)
        model.fit([one["features"] for one in every], [one["right"] for one in every])
        values = [round(float(value), 4) for value in model.coef_[0]]
        fitted[kind] = {"bias": round(float(model.intercept_[0]), 4)} | dict(zip(NAMES, values, strict=True))
    fitted["threshold"] = _threshold(decisions(others, fitted["asked"], "asked"), len(others))
    fitted["clear"] = _clear(decisions(others, fitted["unasked"], "unasked"))
    fitted["scale"] = {"log-odds": 1.0, "rule alone": 0.0, "bias": 0.0}  # `scale` fits it
    fitted["made_with"] = {"fit": len(rows), "choose": len(others), "harm": HARM, "clear": CLEAR}
    FITTED.write_text(json.dumps(fitted, indent=1) + "\n", encoding="utf-8")
    print(f"threshold {fitted['threshold']}, clear {fitted['clear']}")


def _threshold(decided: list[tuple[float, bool, bool, str]], count: int) -> float:
    """The lowest threshold above which no more than `HARM` of all cases come to harm; one half at least."""
    harms = sorted((value for value, _, harm, _ in decided if harm), reverse=True)
    allowed = int(HARM * count)
    return max(round(harms[allowed] + 0.0005, 4) if len(harms) > allowed else 0.0, LEAST)


def _clear(decided: list[tuple[float, bool, bool, str]]) -> float:
    """The lowest threshold above which at least `CLEAR` are right."""
    ranked, right, best = sorted(decided, reverse=True), 0, 1.0
    for number, (value, good, _, _) in enumerate(ranked, 1):
        right += good
        if right >= CLEAR * number and number >= 50:
            best = value
    return round(best, 4)


def judge(path: Path) -> None:
    """Print what the shipped weights do on a file of cases."""
    rows, fitted = read(path), json.loads(FITTED.read_text(encoding="utf-8"))
    result: dict[str, Any] = {"benchmark": "review_probability", "cases": len(rows)}
    decided = scaled(decisions(rows, fitted["asked"], "asked"), fitted["scale"])
    error = expected_calibration_error([one[0] for one in decided], [one[1] for one in decided], 10)
    print(f"{len(rows)} cases; expected calibration error {error:.3f}")
    print(f"{'written if above':>17}{'written':>9}{'same tree':>11}{'right of written':>18}{'harm':>8}")
    table = {}
    for bound in sorted({0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 0.9, 0.95, 0.99, fitted["threshold"]}):
        above = [one for one in decided if one[0] >= bound or one[3] == "rule"]  # what a rule alone did is written
        written, right, harm = len(above), sum(one[1] for one in above), sum(one[2] for one in above)
        mark = " <- ships" if bound == fitted["threshold"] else ""
        share = right / max(written, 1)
        figures = f"{written / len(rows):9.1%}{right / len(rows):11.1%}{share:18.1%}{harm / len(rows):8.2%}"
        print(f"{bound:17.3f}{figures}{mark}")
        table[f"{bound:.3f}"] = [round(one / len(rows), 4) for one in (written, right, harm)]
    print(f"{'':24}{'cases':>7}{'search':>9}{'model':>9}{'pooled':>9}   same tree, likeliest")
    families: dict[str, list[tuple[bool, bool, bool]]] = defaultdict(list)
    for row, values in zip(rows, probabilities(rows, fitted["asked"], "asked"), strict=True):
        sides = (*(_first(row, who) for who in ("search", "model")), _pooled(row, values))
        families[f"{row['slips']} slips"].append(sides)
        families[row["says"][:24]].append(sides)
    for name, some in sorted(families.items(), key=lambda pair: -len(pair[1])):
        if len(some) >= 10:
            shares = [sum(side) / len(some) for side in zip(*some, strict=True)]
            print(f"{name:24}{len(some):7}{shares[0]:9.1%}{shares[1]:9.1%}{shares[2]:9.1%}")
    alone = [one for one in decisions(rows, fitted["unasked"], "unasked") if one[0] >= fitted["clear"]]
    right = sum(one[1] for one in alone) / max(len(alone), 1)
    print(f"discriminator not asked: {len(alone) / len(rows):.1%} of the cases, right {right:.1%}")
    result |= {"ece": round(error, 4), "threshold": fitted["threshold"], "by_threshold": table}
    print(json.dumps(result))


def _first(row: dict[str, Any], who: str) -> bool:
    names = {"search": {"search", "rule"}, "model": {"model"}}[who]
    if who == "search":
        return bool(row["unasked"]) and row["unasked"][0]["right"]
    first = NAMES.index("first of the model")
    return any(one["right"] for one in row["asked"] if names & set(one["by"]) and one["features"][first])


def _pooled(row: dict[str, Any], values: list[float]) -> bool:
    ranked = sorted(zip(values, row["asked"], strict=True), key=lambda pair: (pair[1]["gated"], -pair[0]))
    return bool(ranked) and ranked[0][1]["right"]


def main() -> None:
    """Make, fit or judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["make", "fit", "pairs", "scale", "judge"])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--set", default="fit", choices=list(SETS))
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bound", type=float, default=0.65, help="what is less likely before scaling is not written")
    options = parser.parse_args()
    if options.command == "pairs":
        pairs(*options.files)
    elif options.command == "scale":
        scale(options.files[0], options.files[1], options.bound)
    elif options.command == "make":
        make(options.files[0], SETS[options.set], options.cases, options.seed)
    elif options.command == "fit":
        fit(*options.files)
    else:
        judge(*options.files)


if __name__ == "__main__":
    main()
