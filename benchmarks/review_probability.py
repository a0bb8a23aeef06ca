"""Fit `Repair.probability` and its threshold, and say what they are worth on packages never looked at.

    python benchmarks/review_probability.py make FILE [--set fit|choose|unseen] [--cases 2000] [--seed 1] [--by slips]
    python benchmarks/review_probability.py make FILE --wheels FOLDER [--by data]   newest wheel of each package in it
    python benchmarks/review_probability.py fit FIT CHOOSE     writes src/gatllm/review/probability.json; a file may be
                                                               several, joined: each kind of error counts the same
    python benchmarks/review_probability.py pairs PAIRS FILE               cases from lines of {"broken", "fixed"}
    python benchmarks/review_probability.py judge UNSEEN       prints calibration, coverage against harm, one JSON line

Three sets of distributions, none of which the discriminator was trained on: the weights are fitted on the first, the
threshold is read off the second, the third is opened for the last command only. A case is a function or class with one
to three slips of the hand (`harm.slip`) or errors as `gatllm.data` makes them, each of which breaks it by itself:
nobody can mend a mark lost in a comment beside the error. A repair is meant if it has the tree of the original.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
import zipfile
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from harm import UNSEEN as CHOOSE
from harm import functions, meaning, slip, sources
from numpy.typing import NDArray
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from gatllm.data.corruption import corrupt
from gatllm.review import compile_error, same_tree
from gatllm.review.critics import syntax_error
from gatllm.review.default import load_reviewer
from gatllm.review.effort import Effort
from gatllm.review.ends import equal_ends
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
MOST = 400  # functions of one wheel, so that no large package drowns the others
KINDS = {  # of `gatllm.data`, about as often as in 60 errors that people made (`dev/LOG.md`)
    **{"quote": 1.9, "bracket": 1.5, "colon": 1.3, "comma": 1.3, "indent": 1.2, "operator": 1.0, "token": 1.0},
    **{"keyword-typo": 0.8, "stray": 0.7, "exchanged": 0.5, "line": 0.3, "print-statement": 0.3, "f-string": 0.3},
    "tabs": 0.2,
}
DECAY = 3.0  # what the square of a weight costs, in nats
CLEAR = 0.995  # how often rules and search alone must be right where the discriminator is not asked


def make(target: Path, pool: list[str], by: str, count: int, seed: int) -> None:
    """Write one JSON line for each case: what was found, its features, whether it was meant and whether it harms."""
    rng, reviewer, done = random.Random(seed), load_reviewer(quick=True), 0
    with target.open("w", encoding="utf-8") as file:
        while done < count:
            original, wanted = rng.choice(pool), rng.choice(SLIPS)
            broken = {"slips": slips, "data": errors}[by](original, rng, wanted)
            error = compile_error(broken) if broken is not None else None
            if broken is None or error is None:
                continue
            start = time.process_time()
            found, _ = gather(broken, error, reviewer.tagger, None, most=POOL, effort=Effort.of())
            spent = time.process_time() - start
            first = [one for one in found if one.by & {"search", "rule"}][:1]
            alone = [replace(one, score=None, by=one.by - {"model"}) for one in first]
            row = {
                "by": by,
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


def slips(original: str, rng: random.Random, wanted: int) -> str | None:
    """A text with so many slips, each of which breaks it by itself; None where there is no room for them."""
    edits: list[tuple[int, int, str]] = []
    for _ in range(10 * wanted):
        made = slip(original, rng)
        if made is None or compile_error(made[0]) is None:
            continue
        head, tail = equal_ends(original, made[0])
        edit = (head, len(original) - tail, made[0][head : len(made[0]) - tail])
        if all(edit[1] < start or end < edit[0] for start, end, _ in edits):
            edits.append(edit)
        if len(edits) == wanted:
            break
    broken = original
    for start, end, new in sorted(edits, reverse=True):
        broken = broken[:start] + new + broken[end:]
    return broken if len(edits) == wanted else None


def errors(original: str, rng: random.Random, wanted: int) -> str | None:
    """A text with so many errors as `gatllm.data` makes them."""
    kinds = tuple(rng.choices(list(KINDS), list(KINDS.values()), k=wanted))
    made = corrupt(original, rng, 1, kinds, errors=(wanted, wanted))
    return made.broken if made is not None and made.syntactic else None


def wheels(folder: Path) -> list[str]:
    """Functions of the newest wheel of each package in a folder, of none more than `MOST`."""
    newest: dict[str, tuple[Version, Path]] = {}
    for path in folder.glob("*.whl"):
        name, version, _, _ = parse_wheel_filename(path.name)
        newest[name] = max(newest.get(name, (version, path)), (version, path))
    out: list[str] = []
    for name, (_, path) in sorted(newest.items()):
        with zipfile.ZipFile(path) as file:
            names = [one for one in sorted(file.namelist()) if one.endswith(".py") and "_vendor" not in one]
            own = functions([file.read(one).decode("utf-8", errors="replace") for one in names])
        out += random.Random(name).sample(own, min(MOST, len(own)))
    return out


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
            file.write(json.dumps({"by": "people", "slips": 0, "says": "", "asked": asked, "unasked": []}) + "\n")


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
        one = np.exp(np.clip(features @ vector + weights["bias"], -30, 30))
        out.append((one / (1 + one.sum())).tolist())
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


def fit(path: Path, choose: Path, threshold: float) -> None:
    """Fit the weights on one file, choose on the other where the discriminator need not be asked."""
    rows, others = read(path), read(choose)
    fitted: dict[str, Any] = {kind: _weights(rows, kind) for kind in ("asked", "unasked")}
    fitted["threshold"] = threshold
    fitted["clear"] = _clear(decisions(others, fitted["unasked"], "unasked"))
    fitted["made_with"] = {"fit": len(rows), "choose": len(others), "clear": CLEAR}
    FITTED.write_text(json.dumps(fitted, indent=1) + "\n", encoding="utf-8")
    print(f"clear {fitted['clear']}")


def _weights(rows: list[dict[str, Any]], kind: str) -> dict[str, float]:
    """The weights under which what was meant is likeliest: one of the repairs found, or none of them."""
    from scipy.optimize import minimize

    made = Counter(row["by"] for row in rows)
    counts = np.array([len(rows) / len(made) / made[row["by"]] for row in rows if row[kind]])
    some = [row[kind] for row in rows if row[kind]]
    case = np.repeat(np.arange(len(some)), [len(one) for one in some])
    x = np.array([[1.0, *repair["features"]] for one in some for repair in one])
    right = np.array([float(repair["right"]) for one in some for repair in one])
    held = np.r_[0.0, np.full(len(NAMES), DECAY)]

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = np.clip(x @ weights, -30, 30)
        every = np.bincount(case, np.exp(logits)) + 1
        lost = counts @ np.log(every) - (counts[case] * right) @ logits + held @ weights**2 / 2
        return float(lost), x.T @ (counts[case] * (np.exp(logits) / every[case] - right)) + held * weights

    values = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 2000}).x
    return {name: round(float(value), 4) for name, value in zip(("bias", *NAMES), values, strict=True)}


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
    decided = decisions(rows, fitted["asked"], "asked")
    error = expected_calibration_error([one[0] for one in decided], [one[1] for one in decided], 10)
    print(f"{len(rows)} cases; expected calibration error {error:.3f}, by chance alone {_by_chance(decided):.3f}")
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


def _by_chance(decided: list[tuple[float, bool, bool, str]]) -> float:
    """The calibration error that perfectly calibrated probabilities would show on so few cases."""
    rng, values = np.random.default_rng(0), [one[0] for one in decided]
    draws = [(rng.random(len(values)) < values).tolist() for _ in range(200)]
    return float(np.mean([expected_calibration_error(values, drawn, 10) for drawn in draws]))


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
    parser.add_argument("command", choices=["make", "fit", "pairs", "judge"])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--set", default="fit", choices=list(SETS))
    parser.add_argument("--wheels", type=Path, help="a folder of wheels instead of a set")
    parser.add_argument("--by", default="slips", choices=["slips", "data"], help="who makes the errors")
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threshold", type=float, default=0.58, help="what is less likely is shown, not written")
    options = parser.parse_args()
    if options.command == "pairs":
        pairs(*options.files)
    elif options.command == "make":
        pool = wheels(options.wheels) if options.wheels else functions(sources(list(SETS[options.set])))
        make(options.files[0], pool, options.by, options.cases, options.seed)
    elif options.command == "fit":
        fit(*options.files, options.threshold)
    else:
        judge(*options.files)


if __name__ == "__main__":
    main()
