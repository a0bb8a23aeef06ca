"""Thousands of questions and answers learnt by `TextGeneration`: how fast, and what it answers that it was never told.

    python benchmarks/questions.py --rows 2500
    python benchmarks/questions.py --rows 36000 --minutes 10

The rows ask in which package a public function or class is, of the packages installed here; a name that several have is
left out. About a tenth is held back. Beside it two baselines on the same held-out rows: the commonest answer, and the
answer to the most similar question that was told (by triples of letters). Progress is printed as it comes. Prints a
table and, as the last line, one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sysconfig
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

_DEFINED = re.compile(r"^(?:async def|def|class) ([A-Za-z]\w{3,40})\b", re.MULTILINE)


def rows(count: int, seed: int) -> list[tuple[str, str]]:
    """Return so many questions with answers.

    Raises:
        SystemExit: too few packages are installed.
    """
    where: dict[str, set[str]] = defaultdict(set)
    for file in sorted(Path(sysconfig.get_paths()["purelib"]).rglob("*.py")):
        package = file.relative_to(sysconfig.get_paths()["purelib"]).parts[0].removesuffix(".py")
        for name in _DEFINED.findall(file.read_text("utf-8", "replace")):
            where[name].add(package)
    single = sorted((name, min(packages)) for name, packages in where.items() if len(packages) == 1)
    if len(single) < count:
        raise SystemExit(f"only {len(single)} names are of one package alone: install more, or ask for fewer rows")
    return [(f"which package has {name}?", package) for name, package in random.Random(seed).sample(single, count)]


def triples(text: str) -> set[str]:
    """Return the triples of letters of the name that a question is about."""
    name = f"  {text.rsplit(maxsplit=1)[-1].rstrip('?').lower()} "
    return {name[at : at + 3] for at in range(len(name) - 2)}


def baselines(told: list[tuple[str, str]], held: list[tuple[str, str]]) -> dict[str, float]:
    """Return the fraction of held-out answers that each baseline gives."""
    common = Counter(answer for _, answer in told).most_common(1)[0][0]
    places: dict[str, list[int]] = defaultdict(list)
    sizes = []
    for place, (question, _) in enumerate(told):
        found = triples(question)
        sizes.append(len(found))
        for triple in found:
            places[triple].append(place)
    near = 0
    for question, answer in held:
        mine = triples(question)
        shared = Counter(place for triple in mine for place in places[triple])
        best = max(shared, key=lambda at: shared[at] / (len(mine) + sizes[at] - shared[at]), default=None)
        near += best is not None and told[best][1] == answer
    return {
        "commonest": sum(answer == common for _, answer in held) / len(held),
        "most similar": near / len(held),
    }


def main() -> None:
    """Learn, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2500)
    parser.add_argument("--minutes", type=float, help="of the clock; else until all is learnt")
    parser.add_argument("--folder", type=Path, help="where the run is kept; the same command goes on with it")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    import torch

    from gatllm.data import Dataset, divide
    from gatllm.training.text_generation import TextGeneration

    torch.set_num_threads(1)
    out = (options.folder or Path(tempfile.mkdtemp())) / "run"
    seen = 0.0

    def tell(progress: Any) -> None:
        nonlocal seen
        if progress.note and time.monotonic() - seen > 20:
            seen = time.monotonic()
            print(f"  {progress.task}: {progress.done:,.0f} of {progress.total or 0:,.0f}; {progress.note}", flush=True)

    keys: dict[str, Any] = {"train__threads": 1, "train__samples": 0, "seed": options.seed}
    if options.minutes:
        keys["train__minutes"] = options.minutes
    began = time.process_time()
    fitted = TextGeneration(rows(options.rows, options.seed), out, report=tell, **keys).fit()
    spent = time.process_time() - began
    assert fitted.run is not None
    records = list(Dataset.open(out.with_name(f"{out.name}-data")).records())
    parts = divide([(record["origin"], (record["prompt"], record["text"])) for record in records])
    metrics = fitted.run.metrics
    steps = fitted.run.events("step")
    rate = sorted(entry["tokens_per_second"] for entry in steps)[len(steps) // 2]
    found = {
        "rows": options.rows,
        "processor_seconds": round(spent, 1),
        "updates": metrics["steps"],
        "rows_learnt_from": metrics["steps"] * fitted.run.recipe.train.batch,
        "tokens_per_second": rate,
        **{name: metrics.get(name) for name in ("learnt", "exact", "f1", "held_out", "seconds")},
        **baselines(parts.train, parts.validation),
    }
    for name, value in found.items():
        print(f"{name:20} {value}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
