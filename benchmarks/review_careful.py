"""What the careful tier adds: the search alone, the fast tier and the careful one on the same errors.

    python benchmarks/review_careful.py --pairs FILE [--cases 500] [--out FILE]
    python benchmarks/review_careful.py --distributions sphinx docutils … [--cases 300] [--seed 1] [--out FILE]

Errors that people made, as lines of {"broken", "fixed"}, or one to three slips (`harm.slip`) in functions of installed
distributions. As meant: the tree of the fix; held: among six candidates; the language model is asked for a repair of
its own where the fast tier is not sure, and what it wrote is told apart by whether the fast tier had found it. Seconds
are those of the processor. Prints tables and one JSON line; --out keeps a line for each case.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harm import functions, slip, sources
from review_probability import SLIPS

from gatllm.review import Reviewer, careful, compile_error, same_tree
from gatllm.review.careful import Ranked, load_language_model
from gatllm.review.default import load_reviewer
from gatllm.review.measures import expected_calibration_error
from gatllm.review.reviewer import Repair

WAYS = ("search", "fast", "careful")
HELD = 6  # candidates among which the right one is looked for


def slips(distributions: list[str], count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield functions with one to three slips."""
    rng, pool = random.Random(seed), functions(sources(distributions))
    while count:
        original = broken = rng.choice(pool)
        wanted = rng.choice(SLIPS)
        for _ in range(wanted):
            broken = (slip(broken, rng) or (broken, 0))[0]
        if compile_error(broken) is not None:
            count -= 1
            yield {"broken": broken, "fixed": original, "edits": wanted}


def measure(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Repair each case in all ways; tell what came of it."""
    import torch

    torch.set_num_threads(1)
    fast, model = load_reviewer(quick=True), load_language_model()
    ways = {"search": Reviewer(), "fast": fast, "careful": fast.careful(model)}
    model.likelihood(["a = 1\n", "a = 2\n"])  # loaded, so that no case pays for it
    said: list[tuple[str, str]] = []
    judged = careful._with_opinion

    def listening(text: str, ranked: Ranked, own: str) -> Ranked:
        known = next((n for n, (one, _) in enumerate(ranked) if same_tree(one.text, own)), None)
        said.append((own, "alone" if known is None else "also others" if known else "the likeliest"))
        return judged(text, ranked, own)

    careful._with_opinion = listening
    for row in rows:
        out: dict[str, Any] = {"edits": row.get("edits", 1)}
        said.clear()
        for name, way in ways.items():
            start = time.process_time()
            done = way.fix(row["broken"], candidates=HELD)
            spent = time.process_time() - start
            out[name] = {"became": _became(done, row["fixed"]), "p": done.probability, "s": round(spent, 3)}
            out[name]["held"] = any(same_tree(one.text, row["fixed"]) for one in done.candidates)
            out[name]["asked"] = done.tier == "careful"
        if said:
            own, where = said[0]
            shown = [one for one in done.candidates if same_tree(one.text, own)]
            gated = "free" if any(not one.harm for one in shown) else "held back"
            out["said"] = [where, gated, same_tree(own, row["fixed"])]
        yield out


def _became(done: Repair, meant: str) -> str:
    if not done.changed:
        return "silent"
    return "meant" if same_tree(done.text, meant) else "other"


def tell(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Print the tables; return what they hold."""
    result: dict[str, Any] = {"benchmark": "review_careful", "cases": len(rows)}
    print(f"{'':10}{'edits':>6}{'cases':>7}{'as meant':>10}{'otherwise':>11}{'silent':>8}{'held':>7}")
    for way in WAYS:
        for size in ("1", "2", "3+", "all"):
            some = [row for row in rows if size in ("all", "3+" if row["edits"] > 2 else str(row["edits"]))]
            counts = Counter(row[way]["became"] for row in some)
            held = sum(row[way]["held"] for row in some)
            result[f"{way}/{size}"] = [len(some), counts["meant"], counts["other"], counts["silent"], held]
            print(f"{way:10}{size:>6}{len(some):7}{counts['meant']:10}{counts['other']:11}{counts['silent']:8}{held:7}")
    for way in WAYS[1:]:
        told = [(row[way]["p"], row[way]["became"] == "meant") for row in rows if row[way]["became"] != "silent"]
        known = [(p, right) for p, right in told if p is not None]
        error = expected_calibration_error([p for p, _ in known], [right for _, right in known]) if known else 0.0
        times = sorted(row[way]["s"] for row in rows)
        result[f"{way}/ece"], result[f"{way}/median_s"] = round(error, 4), times[len(times) // 2]
        print(f"{way}: ECE of what is written {error:.3f}, median {times[len(times) // 2]:.2f} s")
    asked = sorted(row["careful"]["s"] for row in rows if row["careful"]["asked"])
    print(
        f"language model asked in {len(asked)}, median {asked[len(asked) // 2] if asked else 0:.2f} s; what it wrote:"
    )
    wrote = Counter(tuple(row["said"]) for row in rows if "said" in row)
    for (where, gated, right), count in sorted(wrote.items()):
        print(f"  {where:14} {gated:10} {'right' if right else 'wrong'} {count:5}")
    result |= {"asked": len(asked), "wrote": [[*key, count] for key, count in sorted(wrote.items())]}
    return result


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--pairs", type=Path)
    given.add_argument("--distributions", nargs="+")
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.pairs is not None:
        lines = options.pairs.read_text(encoding="utf-8").splitlines()
        some = [json.loads(line) for line in lines][: options.cases]
        some = [row for row in some if compile_error(row["broken"]) is not None]
    else:
        some = list(slips(options.distributions, options.cases, options.seed))
    rows = []
    for row in measure(some):
        rows.append(row)
        if options.out is not None:
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
    print(json.dumps(tell(rows)))


if __name__ == "__main__":
    main()
