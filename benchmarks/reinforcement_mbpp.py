"""A pretrained model learns from its own solutions to MBPP's training tasks; how many of the test split does it solve?

    python benchmarks/reinforcement_mbpp.py mbpp.jsonl --folder runs/mbpp                                  # in full
    python benchmarks/reinforcement_mbpp.py mbpp.jsonl --folder runs/mbpp --train 60 --test 50 --rounds 1  # a sample

The file is MBPP's own (JSON Lines with `task_id`, `text`, `code`, `test_list`). Rounds of rejection sampling with LoRA
see tasks of ids 511 to 974; ids 11 to 510 are asked once before and once after: greedily, and ``--samples`` times at
temperature 0.8, from which pass@k is estimated without bias. Samples of tasks are drawn once, by the seed. Everything
is judged by values in the sandbox. How well the drawn answers' own probability tells the wrong ones from the right ones
is said as well ("I do not know" for tasks that it fails). Both models are asked in bf16, many answers side by side; on
a processor without bf16 units in eight bits. The same command goes on in its folder wherever it was stopped. Prints a
table and, as the last line, one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

LEARNT_FROM, MEASURED = range(511, 975), range(11, 511)
TOKENS = 200
AT_ONCE = 240  # answers side by side: a matrix unit pays for wide batches
END = ("\n```\n",)  # of the code; explanations behind it are not judged


def chosen(file: Path, ids: range, count: int, seed: int, target: Path) -> Path:
    """Write ``count`` tasks of some ids (0: all of them), drawn by the seed among those that can be judged."""
    from gatllm.training.rewards.code import cases_of

    rows = []
    for line in file.read_text("utf-8").splitlines():
        row = json.loads(line)
        try:
            cases_of(row["test_list"])
        except (ValueError, SyntaxError):
            continue  # no assertion about values: nothing would prove an answer
        if row["task_id"] in ids:
            rows.append(row)
    if 0 < count < len(rows):
        rows = random.Random(seed).sample(rows, count)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(map(json.dumps, rows)))
    return target


def opened(base: str, run: str, folder: Path) -> Any:
    """Return the base, or what a run made of it, ready to answer."""
    import torch

    from gatllm.models.int8 import write_int8
    from gatllm.models.pretrained import PretrainedLM
    from gatllm.models.smoothing import sample_of
    from gatllm.models.tuned import load_lm, open_base, read_tuned
    from gatllm.training.precision import processor_has_bf16

    whole = torch.cuda.is_available() or processor_has_bf16()
    if not run:
        return PretrainedLM.load(None if base == "qwen-coder" else base, dtype="bfloat16" if whole else "int8")
    if whole:
        return load_lm(run)
    place = folder / f"{Path(run).parent.name}-int8"
    if not place.is_dir():
        partial = folder / f"{place.name}.partial"
        partial.mkdir(exist_ok=True)
        tokenizer = open_base(base).tokenizer
        write_int8(read_tuned(run).merged(), partial, sample_of(tokenizer))
        tokenizer.save_pretrained(partial)
        partial.replace(place)
    return PretrainedLM.load(place)


def asked_of(file: Path, seed: int) -> list[Any]:
    """Return the tasks of a file as they are asked."""
    from gatllm.training.objectives.data_tables import PolicyTable
    from gatllm.training.objectives.questions import load_questions

    found = load_questions(
        PolicyTable(source=str(file), reward="tests", prompts=1 << 30, validation_limit=1 << 30), seed
    )
    every = {one.key: one for one in [*found.held_out, *found.draw(0, 0)]}
    return [every[key] for key in sorted(every)]


def measured(open_model: Any, tasks: Sequence[Any], samples: int, kept: Path) -> list[dict[str, Any]]:
    """Return, for each task, whether the greedy answer is right and how many of the drawn ones; kept as they come."""
    from gatllm.models import ChatOptions
    from gatllm.training.rewards.code import by_tests

    kept.touch()
    rows = [json.loads(line) for line in kept.read_text().splitlines()]
    left = [one for one in tasks if one.key not in {row["key"] for row in rows}]
    left.sort(key=lambda one: len(one.prompt))  # a long one would be padding for all
    model = open_model() if left else None
    each = max(1, AT_ONCE // samples)
    for first in range(0, len(left), each):
        some = left[first : first + each]
        turns = [[{"role": "user", "content": one.prompt}] for one in some]
        greedy = [one.text for one in model.generate(turns, ChatOptions(TOKENS, stop=END))]
        right = by_tests(some, greedy)
        several = [turn for turn in turns for _ in range(samples)]
        every = model.generate(several, ChatOptions(TOKENS, 0.8, seed=7 + first, stop=END))
        for at, (one, verdict) in enumerate(zip(some, right, strict=True)):
            drawn = every[at * samples : (at + 1) * samples]
            verdicts = by_tests([one] * samples, [answer.text for answer in drawn])
            row = {
                "key": one.key,
                "greedy": verdict.reward == 1,
                "right": sum(v.reward == 1 for v in verdicts),
                "answers": [(v.reward == 1, answer.mean_logprob) for v, answer in zip(verdicts, drawn, strict=True)],
            }
            rows.append(row)
            with kept.open("a") as file:
                file.write(json.dumps(row) + "\n")
        print(f"  {kept.stem}: {len(rows)} of {len(tasks)}, greedy {sum(row['greedy'] for row in rows)}", flush=True)
    return rows


def abstaining(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what refusing answers below a threshold of their own probability gives; the halves share no task."""
    from gatllm.training.measures.questions import by_threshold

    halves = [[tuple(one) for row in rows[half::2] for one in row["answers"]] for half in (0, 1)]
    return by_threshold([one for pair in zip(*halves, strict=False) for one in pair])


def told(rows: dict[str, list[dict[str, Any]]], samples: int) -> dict[str, Any]:
    """Print what came out before and after, with intervals, and return it."""
    from gatllm.training.fewshot import wilson
    from gatllm.training.measures import Item, Measured, compare
    from gatllm.training.measures.code import pass_at
    from gatllm.training.measures.measured import fraction_of

    found: dict[str, Any] = {"tasks": len(rows["before"]), "samples": samples}
    parts: dict[str, dict[str, Any]] = {}
    for when, every in rows.items():
        greedy = sum(row["greedy"] for row in every)
        parts[when] = {"greedy": {row["key"]: float(row["greedy"]) for row in every}}
        low, high = wilson(greedy, len(every))
        print(f"{when:7} greedy {greedy / len(every):.1%} ({low:.1%} to {high:.1%})")
        for k in sorted({1, samples}):
            parts[when][f"pass@{k}"] = {row["key"]: pass_at(k, samples, row["right"]) for row in every}
            mean, low, high = fraction_of(list(parts[when][f"pass@{k}"].values()))
            print(f"{when:7} pass@{k} {mean:.1%} ({low:.1%} to {high:.1%})")
        found[when] = {name: sum(values.values()) / len(values) for name, values in parts[when].items()}
        found[when]["threshold"] = refusing = abstaining(every)
        line = ", ".join(
            f"{name} {value:.1%} ({low:.1%} to {high:.1%})" for name, (value, low, high) in refusing.items()
        )
        print(f"{when:7} a threshold on its own probability, set to lose 5 % of what is right: {line or 'too few'}")
    for name in parts["before"]:
        both = [
            Measured(name, {}, tuple(Item(key, value) for key, value in parts[when][name].items()))
            for when in ("after", "before")
        ]
        gained = compare(*both)
        found[f"gained {name}"] = asdict(gained)
        print(f"{name}: {gained.mean:+.1%} ({gained.low:+.1%} to {gained.high:+.1%}), paired over {gained.items} tasks")
    return found


def main() -> None:
    """Ask, reinforce, ask again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", type=Path)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--base", default="qwen-coder")
    parser.add_argument("--train", type=int, default=0, help="tasks to learn from; 0: all")
    parser.add_argument("--test", type=int, default=0, help="tasks to measure on; 0: all")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--answers", type=int, default=8, help="to each task of a round")
    parser.add_argument("--samples", type=int, default=10, help="answers to each measured task, beside the greedy one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE over the recipe of reinforcement")
    options = parser.parse_args()
    import torch

    from gatllm.cli.train import parse_overrides
    from gatllm.training import Recipe
    from gatllm.training.reinforcing import reinforce, result

    began = time.process_time()
    here = not torch.cuda.is_available()
    if here:
        torch.set_num_threads(1)
    folder = options.folder
    train = chosen(options.tasks, LEARNT_FROM, options.train, options.seed, folder / "train.jsonl")
    test = asked_of(chosen(options.tasks, MEASURED, options.test, options.seed, folder / "test.jsonl"), options.seed)
    recipe = Recipe.of({
        "name": "mbpp", "objective": "policy", "seed": options.seed,
        "data": {"source": str(train), "reward": "tests", "rounds": options.rounds,
                 "prompts": len(train.read_text().splitlines()), "answers": options.answers, "temperature": 0.8,
                 "tokens": TOKENS, "validation_limit": 4 if here else 128},
        "model": {"kind": "pretrained", "base": options.base, "adapter": "lora", "rank": 16, "context": 512},
        "train": {"epochs": 1, "batch": 4, "optimizer": "adamw", "lr": 2e-4, "betas": [0.9, 0.999], "warmup": 0.1,
                  "evaluations": 1, "samples": 0, "checkpoints": 2, "keep": 1,
                  **({"threads": 1, "precision": "fp32"} if here else {})},
    }, parse_overrides(options.set))  # fmt: skip
    rows = {}
    rows["before"] = measured(lambda: opened(options.base, "", folder), test, options.samples, folder / "before.jsonl")
    rounds = reinforce(recipe, folder / "rounds", observe=lambda one: print(
        f"round {one.number}: {one.learnt} answers learnt, drawn {one.reward:.1%} right of {one.mixed} mixed, "
        f"{one.right} solved, {one.wrong} unsolved tasks; kept {one.kept} {one.why}", flush=True
    ))  # fmt: skip
    run = result(rounds).run
    rows["after"] = measured(lambda: opened(options.base, run, folder), test, options.samples, folder / "after.jsonl")
    found = {"rounds": [asdict(one) for one in rounds], **told(rows, options.samples)}
    print(f"{time.process_time() - began:.0f} s of the processor in this call")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
