"""What each constant of the discriminator's repair is worth: same tree without it, and with twice as much of it.

    python benchmarks/review_constants.py CASES [--cases 200] [--seed 1] [--minutes 60]

CASES is a file of `review_probability.py make`, of packages that nothing is reported on. Every case is repaired by the
discriminator alone. A constant stays if leaving it out is worse by more than chance, or if its comment names a reason
that no figure shows. Prints a table and one JSON line; what is done when time is over is judged.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path
from typing import Any

from gatllm.review import repair as module
from gatllm.review import same_tree, typos
from gatllm.review.default import load_reviewer
from gatllm.review.tagger import Tagger

CONSTANTS: dict[str, tuple[Any, float]] = {
    "_COST": (module, 0.0),
    "_LOST": (module, 0.0),
    "_SWEPT": (module, 99.0),  # nothing is swept
    "_UNASKED": (module, 99.0),  # nothing is lowered
    "_MOVED": (module, 0.0),
    "_MEANS": (module, 0.0),
    "_TWICE": (typos, 0.0),
    "_MARK_TWICE": (typos, 0.0),
    "_TYPO": (typos, 0.0),
    "_DOT_BEFORE_BRACKET": (typos, 0.0),
    "_TAB": (typos, 0.0),
}


def same(tagger: Tagger, case: dict[str, Any]) -> bool:
    """Tell whether the discriminator's first repair has the tree of the original."""
    found = module.repair(tagger, case["broken"])
    return bool(found) and same_tree(found[0].text, case["original"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1e6)
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.file.read_text(encoding="utf-8").splitlines()]
    random.Random(options.seed).shuffle(rows)
    tagger, until = load_reviewer(quick=True).tagger, time.monotonic() + 60 * options.minutes
    if tagger is None:
        raise SystemExit("there is no discriminator")
    kept = {name: getattr(where, name) for name, (where, _) in CONSTANTS.items()}
    results: dict[str, list[bool]] = {"as it is": []} | {name: [] for name in CONSTANTS}
    for case in rows[: options.cases]:  # all ways for each case, so that a run cut short compares the same cases
        if time.monotonic() > until:
            break
        results["as it is"].append(same(tagger, case))
        for name, (where, without) in CONSTANTS.items():
            setattr(where, name, without)
            results[name].append(same(tagger, case))
            setattr(where, name, kept[name])
    base = results["as it is"]
    print(f"{len(base)} cases{'':14}{'same tree':>10}{'lost':>6}{'gained':>8}")
    table = {}
    for name, found in results.items():
        lost = sum(a and not b for a, b in zip(base, found, strict=True))
        gained = sum(b and not a for a, b in zip(base, found, strict=True))
        print(f"{name:24}{sum(found) / max(len(found), 1):10.1%}{lost:6}{gained:8}")
        table[name] = [sum(found), lost, gained]
    print(json.dumps({"benchmark": "review_constants", "cases": len(base), "without": table}))


if __name__ == "__main__":
    main()
