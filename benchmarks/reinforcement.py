"""Reinforcement alone: a model that sorts some strings, taught no further answer, sorts how many after rounds of it?

    python benchmarks/reinforcement.py --length 8 --steps 240 --rounds 12 --width 64
    python benchmarks/reinforcement.py --length 4 --steps 200 --rounds 8 --width 32 --seeds 1 2 3

For each seed a run of the recipe `alphabetize` is stopped early; then `reinforce-alphabetize` continues from it with
exact match as its only signal. The baseline is the stopped model itself. Fractions are of held-out strings of the full
length, answered greedily. Prints a line a round and, as the last line, one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Train, stop, reinforce, for each seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--length", type=int, default=8)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--steps", type=int, default=240, help="updates of the supervised run")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE over the recipe of reinforcement")
    parser.add_argument("--folder", type=Path, help="where the runs are kept; the same command goes on with them")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args()
    import torch

    from gatllm.cli.train import parse_overrides
    from gatllm.training import Recipe, train
    from gatllm.training.reinforcing import reinforce

    torch.set_num_threads(1)
    length = options.length
    found: list[dict[str, Any]] = []
    for seed in options.seeds:
        folder = (options.folder or Path(tempfile.mkdtemp())) / f"seed-{seed}"
        begun = time.process_time()
        table = {"data.length": length, "data.source_tokens": length, "data.target_tokens": length}
        supervised = {"train.steps": options.steps, "train.threads": 1, "train.evaluations": 1, "train.samples": 0,
                      "train.precision": "fp32", "model.width": options.width, "seed": seed}  # fmt: skip
        start = train(Recipe.load("alphabetize", {**table, **supervised}), folder / "start")
        spent = time.process_time() - begun
        changes = {
            "start": str(start.path), "seed": seed, "data.length": length, "data.tokens": length + 1,
            "data.rounds": options.rounds, "train.threads": 1, "train.precision": "fp32", "train.samples": 0,
            **parse_overrides(options.set),
        }  # fmt: skip

        def tell(one: Any, seed: int = seed) -> None:
            said = f"right {one.exact:.1%}, loss {one.loss:.4f}, learnt {one.learnt}, distinct {one.distinct:.0%}"
            print(f"seed {seed}, round {one.number}: {said}", flush=True)

        begun = time.process_time()
        rounds = reinforce(Recipe.load("reinforce-alphabetize", changes), folder / "rounds", observe=tell)
        kept = [one for one in rounds if one.kept]
        found.append(
            {"seed": seed, "before": rounds[0].exact, "after": kept[-1].exact, "rounds": kept[-1].number,
             "answers": sum(one.learnt for one in kept), "seconds": [spent, time.process_time() - begun]}
        )  # fmt: skip
    print(json.dumps(found))


if __name__ == "__main__":
    main()
