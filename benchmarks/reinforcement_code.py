"""Reinforcement by tests: a pretrained model learns from its own solutions to some templates of small tasks; others?

    python benchmarks/reinforcement_code.py --base smollm2 --rounds 2

Each template makes tasks with another number and other tests. One task of each chooses the templates: those of which
the base solves 10 to 60 % are used, half of them to learn from, half never seen. What counts is pass@1 (ten answers a
task, judged by values in the sandbox) on other tasks of the unseen ones, before and after: what was chosen by is not
measured on. Prints a table and, as the last line, one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

# What to write, and a solution in one expression of the argument; {k} is a number from 2 to 7.
NUMBERS = {
    "add": ("returns the list with {k} added to each number", "[x + {k} for x in values]"),
    "scale": ("returns the list with each number multiplied by {k}", "[x * {k} for x in values]"),
    "above": ("returns the numbers that are greater than {k}", "[x for x in values if x > {k}]"),
    "divisible": ("returns the sum of the numbers that are divisible by {k}", "sum(x for x in values if x % {k} == 0)"),
    "count": ("returns how many of the numbers are less than {k}", "sum(x < {k} for x in values)"),
    "largest": ("returns the {k} largest numbers, the largest first", "sorted(values, reverse=True)[:{k}]"),
    "every": ("returns every {k}th number, beginning with the first", "values[::{k}]"),
    "without": ("returns the list without its first {k} numbers", "values[{k}:]"),
    "rotate": ("returns the list rotated to the left by {k}", "values[{k}:] + values[:{k}]"),
    "power": ("returns the sum of the numbers raised to the power {k}", "sum(x ** {k} for x in values)"),
    "remainders": ("returns the remainder of each number divided by {k}", "[x % {k} for x in values]"),
    "clip": ("returns the list with numbers above {k} replaced by {k}", "[min(x, {k}) for x in values]"),
}
WORDS = {
    "first": ("returns the first {k} characters", "values[:{k}]"),
    "last": ("returns the last {k} characters in reverse order", "values[-{k}:][::-1]"),
    "repeat": ("returns the text written {k} times", "values * {k}"),
    "long": ("returns the words with more than {k} letters", "[w for w in values.split() if len(w) > {k}]"),
    "short": ("returns how many words have at most {k} letters", "sum(len(w) <= {k} for w in values.split())"),
    "start": ("returns the first {k} letters of each word", "[w[:{k}] for w in values.split()]"),
    "skip": ("returns every {k}th character, beginning with the first", "values[::{k}]"),
    "upper": ("returns the text with its first {k} characters in upper case", "values[:{k}].upper() + values[{k}:]"),
}
VOCABULARY = ("river", "a", "to", "stone", "green", "of", "light", "cat", "under", "is", "water", "we")


CHOOSING = 1  # tasks of each template that choose it


def tasks(count: int, seed: int) -> dict[str, list[dict[str, Any]]]:
    """Return ``count`` tasks of each template, as rows of programming tasks with tests and a solution."""
    found: dict[str, list[dict[str, Any]]] = {}
    for of_numbers, group in ((True, NUMBERS), (False, WORDS)):
        for name, (told, solution) in group.items():
            rng = random.Random(f"{seed}/{name}")
            found[name] = []
            for k in rng.sample(range(2, 8), count):
                function, what = f"{name}_{k}", "a list of numbers" if of_numbers else "a text"
                tests = []
                for _ in range(4):
                    size = rng.randint(5, 8)
                    values = rng.choices(range(12), k=size) if of_numbers else " ".join(rng.sample(VOCABULARY, size))
                    value = eval(solution.format(k=k), {"values": values})  # noqa: S307  # written above
                    tests.append(f"assert {function}({values!r}) == {value!r}")
                prompt = f"Write a Python function {function}(values) that takes {what} and {told.format(k=k)}."
                code = f"def {function}(values):\n    return {solution.format(k=k)}\n"
                found[name].append({"task_id": f"{name}/{k}", "prompt": prompt, "test_list": tests, "code": code})
    return found


def write(rows: list[dict[str, Any]], file: Path) -> Path:
    """Write tasks as JSON Lines."""
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def main() -> None:
    """Ask, choose, reinforce, ask again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="smollm2")
    parser.add_argument("--tasks", type=int, default=4, help="of each template, to learn from or to measure on (1-4)")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE over the recipe of reinforcement")
    options = parser.parse_args()
    import torch

    from gatllm.cli.train import parse_overrides
    from gatllm.training import Recipe
    from gatllm.training.measures import compare, measure, open_subject
    from gatllm.training.reinforcing import reinforce, result

    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp())
    every = tasks(CHOOSING + options.tasks, options.seed)
    choosing = write([row for rows in every.values() for row in rows[:CHOOSING]], folder / "choosing.jsonl")
    every = {name: rows[CHOOSING:] for name, rows in every.items()}
    began = time.process_time()
    asked = measure(f"code:{choosing}", open_subject(options.base), limit=10_000)
    solved: dict[str, list[float]] = defaultdict(list)
    for item in asked.items:
        solved[item.key.partition(":")[2].partition("/")[0]].append(item.score)
    rates = {name: sum(scores) / len(scores) for name, scores in solved.items()}
    print("solved by the base", {name: round(rate, 2) for name, rate in sorted(rates.items())}, flush=True)
    fitting = sorted(name for name, rate in rates.items() if 0.1 <= rate <= 0.6)
    random.Random(options.seed).shuffle(fitting)
    learnt, unseen = fitting[::2], fitting[1::2]
    if not unseen:
        raise SystemExit(f"the base solves {len(fitting)} templates at 10 to 60 %: there is nothing to learn and ask")
    recipe = Recipe.of({
        "name": "templates", "objective": "policy", "seed": options.seed,
        "data": {"source": str(write([row for name in learnt for row in every[name]], folder / "learnt.jsonl")),
                 "reward": "tests", "rounds": options.rounds, "prompts": 64, "answers": 8, "temperature": 0.8,
                 "tokens": 120, "validation_limit": 8},
        "model": {"kind": "pretrained", "base": options.base, "adapter": "lora", "rank": 16, "context": 320},
        "train": {"epochs": 2, "batch": 4, "optimizer": "adamw", "lr": 2e-4, "betas": [0.9, 0.999], "warmup": 0.1,
                  "threads": 1, "precision": "fp32", "evaluations": 1, "samples": 0, "checkpoints": 1, "keep": 1},
    }, parse_overrides(options.set))  # fmt: skip
    rounds = reinforce(recipe, folder / "rounds", observe=lambda one: print(
        f"round {one.number}: learnt {one.learnt}, drawn {one.reward:.1%}, kept {one.kept} {one.why}", flush=True
    ))  # fmt: skip
    file = write([row for name in unseen for row in every[name]], folder / "unseen.jsonl")
    found: dict[str, Any] = {"rates": rates, "learnt": learnt, "unseen": unseen}
    both = [
        measure(f"code:{file}", open_subject(where), limit=10_000)
        for where in (options.base, result(rounds).run or options.base)
    ]
    for when, one in zip(("before", "after"), both, strict=True):
        found[when] = dict(one.numbers)
        told = ", ".join(
            f"{name} {value:.1%} ({low:.1%} to {high:.1%})" for name, (value, low, high) in one.numbers.items()
        )
        print(f"{when:7} on {len(unseen)} templates never seen: {told}")
    gained = compare(both[1], both[0])
    print(f"pass@1 {gained.mean:+.1%} ({gained.low:+.1%} to {gained.high:+.1%}); {time.process_time() - began:.0f} s")
    print(json.dumps({**found, "gained": asdict(gained)}))


if __name__ == "__main__":
    main()
