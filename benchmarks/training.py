"""Training, side by side with its peer in the same process: tokens per second, time to a loss, start-up, checkpoints.

    python benchmarks/training.py throughput      # ours against transformers.Trainer and a plain fp32 loop
    python benchmarks/training.py loss --seeds 1 2 3 --minutes 7.6
    python benchmarks/training.py loss --recipe shakespeare-quick --minutes 0.45
    python benchmarks/training.py overhead        # start to first step, checkpoint, memory

Prints a table and, as the last line, one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

SHAPES: dict[str, dict[str, Any]] = {
    "10.65M": {"layers": 6, "heads": 6, "width": 384, "context": 256, "dropout": 0.2, "batch": 16},
    "0.80M": {"layers": 4, "heads": 4, "width": 128, "context": 64, "dropout": 0.0, "batch": 12},
}
CLASSIC = {  # GPT-2's choices, so that both sides compute the same architecture
    "positions": "learned",
    "norm": "layer",
    "norm_gain": True,
    "activation": "gelu_tanh",
    "bias": True,
    "qk_norm": False,
    "embedding_norm": False,
    "initialisation": "gpt2",
    "tied": True,
}
VOCABULARY = 70


def windows(shape: Mapping[str, Any], seed: int = 0) -> Callable[[], Any]:
    """Return a source of random rows (batch, context + 1): speed does not depend on what they say."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    size = (shape["batch"], shape["context"] + 1)
    return lambda: torch.randint(0, VOCABULARY, size, generator=generator)


def ours(shape: Mapping[str, Any]) -> Callable[[int], float]:
    """Return what trains our GPT for n updates and gives its tokens per second."""
    from gatllm.training import Recipe
    from gatllm.training.assembly import assemble

    text = Path(tempfile.mkdtemp()) / "text.txt"
    text.write_text("".join(chr(48 + n % (VOCABULARY - 5)) for n in range(50_000)))
    model = {name: shape[name] for name in ("layers", "heads", "width", "context", "dropout")}
    recipe = Recipe.of(
        {
            "name": "throughput",
            "objective": "causal",
            "data": {"source": str(text)},
            "tokenizer": {"kind": "characters"},
            "model": {**model, **CLASSIC},
            "train": {"steps": 1000, "batch": shape["batch"], "optimizer": "adamw", "lr": 1e-3},
        }
    )
    made = assemble(recipe)
    made.session.advance(0.1)

    def run(updates: int) -> float:
        start = time.perf_counter()
        tokens = sum(made.session.advance(0.1).tokens for _ in range(updates))
        return tokens / (time.perf_counter() - start)

    env = made.commitments["environment"]
    print(f"  ours computes in {env['dtype']} with {env['threads']} threads")
    return run


def gpt2(shape: Mapping[str, Any]) -> Any:
    """Return a 🤗 GPT-2 of this shape."""
    from transformers import GPT2Config, GPT2LMHeadModel

    drop = shape["dropout"]
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=shape["context"],
        n_embd=shape["width"],
        n_layer=shape["layers"],
        n_head=shape["heads"],
        resid_pdrop=drop,
        embd_pdrop=drop,
        attn_pdrop=drop,
        bos_token_id=0,
        eos_token_id=0,
    )
    return GPT2LMHeadModel(config)


def plain_loop(shape: Mapping[str, Any]) -> Callable[[int], float]:
    """Return what trains a GPT-2 in fp32 in the ten lines that everyone writes."""
    import torch
    from torch.nn.functional import cross_entropy

    model, rows = gpt2(shape), windows(shape)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99))

    def run(updates: int) -> float:
        model.train()
        start = time.perf_counter()
        for _ in range(updates):
            row = rows()
            logits = model(row[:, :-1]).logits
            loss = cross_entropy(logits.flatten(0, 1), row[:, 1:].flatten())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        return updates * shape["batch"] * shape["context"] / (time.perf_counter() - start)

    return run


def trainer(shape: Mapping[str, Any]) -> Callable[[int], float]:
    """Return what trains a GPT-2 under transformers.Trainer, as it comes."""
    from torch.utils.data import Dataset
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Rows(Dataset):  # type: ignore[type-arg]
        def __init__(self) -> None:
            self.rows = windows({**shape, "batch": 4096})()[:, :-1]

        def __len__(self) -> int:
            return len(self.rows)

        def __getitem__(self, index: int) -> dict[str, Any]:
            return {"input_ids": self.rows[index], "labels": self.rows[index]}

    class Clock(TrainerCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.times: list[float] = []

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.times.append(time.perf_counter())

    model, rows = gpt2(shape), Rows()

    def run(updates: int) -> float:
        clock = Clock()
        arguments = TrainingArguments(
            output_dir=tempfile.mkdtemp(),
            use_cpu=True,
            max_steps=updates + 1,
            per_device_train_batch_size=shape["batch"],
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        )
        Trainer(model=model, args=arguments, train_dataset=rows, callbacks=[clock]).train()
        return updates * shape["batch"] * shape["context"] / (clock.times[-1] - clock.times[0])

    return run


def throughput(pairs: int, seconds: float, shapes: list[str]) -> list[dict[str, Any]]:
    """Alternate the three; every pair takes about ``seconds`` for each side."""
    results = []
    for name in shapes:
        sides = {"gatllm": ours(SHAPES[name]), "Trainer": trainer(SHAPES[name]), "plain fp32": plain_loop(SHAPES[name])}
        row_tokens = SHAPES[name]["batch"] * SHAPES[name]["context"]
        updates = {side: max(2, round(seconds * run(2) / row_tokens)) for side, run in sides.items()}
        rates: dict[str, list[float]] = {side: [] for side in sides}
        for _ in range(pairs):
            for side, run in sides.items():
                rates[side].append(run(updates[side]))
        for side, values in rates.items():
            results.append({"shape": name, "side": side, **spread(values)})
        for side in ("Trainer", "plain fp32"):
            ratios = [mine / other for mine, other in zip(rates["gatllm"], rates[side], strict=True)]
            results.append({"shape": name, "side": f"gatllm / {side}", **spread(ratios)})
    return results


def spread(values: list[float]) -> dict[str, float]:
    """Return min, median and max."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def time_to_loss(
    name: str, seeds: list[int], minutes: float, marks: list[float], overrides: dict[str, Any]
) -> list[dict[str, Any]]:
    """Train the recipe and tell when the loss on the whole last tenth fell below each mark."""
    from gatllm.training import Recipe, train

    results = []
    for seed in seeds:
        recipe = Recipe.load(name, {"train.minutes": minutes, "seed": seed, **overrides})
        run = train(recipe, Path(tempfile.mkdtemp()) / "run")
        validations = run.events("validation")
        row: dict[str, Any] = {"seed": seed, "minutes": minutes, "loss": run.metrics["loss"]}
        for mark in marks:
            row[f"seconds to {mark}"] = next((e["seconds"] for e in validations if e["loss"] <= mark), None)
        row["tokens"] = run.metrics["tokens"]
        results.append(row)
        print("  ", row)
    return results


def overhead() -> list[dict[str, Any]]:
    """Return seconds from the import of torch to the first update, and what a checkpoint costs."""
    from gatllm.training import Recipe, checkpoint

    recipe = Recipe.load("shakespeare", {"train.steps": 1})
    begun = time.perf_counter()
    from gatllm.training.assembly import assemble

    made = assemble(recipe)
    made.session.advance(0.5)
    first = time.perf_counter() - begun
    parameters = sum(parameter.numel() for parameter in made.session.model.parameters())
    with tempfile.TemporaryDirectory() as folder:
        times = []
        for step in range(5):
            start = time.perf_counter()
            saved = checkpoint.save(Path(folder), step, 0.0, made.session.weights(), made.session.state())
            times.append(time.perf_counter() - start)
        size = sum(file.stat().st_size for file in saved.path.iterdir())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return [
        {"what": "start to first update, s", "value": first},
        {"what": "checkpoint, s (median)", "value": statistics.median(times)},
        {"what": "checkpoint, bytes per parameter", "value": size / parameters},
        {"what": "peak memory, MB", "value": peak / 1e6},
        {"what": "parameters", "value": parameters},
    ]


def show(rows: list[dict[str, Any]]) -> None:
    """Print a table, then the same as one line of JSON."""
    from gatllm.cli.console import table

    names = list(rows[0])
    table("", names, [[f"{v:,.4g}" if isinstance(v, float) else str(v) for v in row.values()] for row in rows])
    print(json.dumps(rows))


def main() -> None:
    """Run one measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measure", choices=["throughput", "loss", "overhead"])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--recipe", default="shakespeare")
    parser.add_argument("--minutes", type=float, default=7.6)
    parser.add_argument("--marks", nargs="+", type=float, default=[1.88, 1.51, 1.4697])
    parser.add_argument("--set", nargs="+", default=[], help="KEY=VALUE over the recipe")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    if asked.measure == "throughput":
        show(throughput(asked.pairs, asked.seconds, asked.shapes))
    elif asked.measure == "loss":
        from gatllm.cli.train import parse_overrides

        show(time_to_loss(asked.recipe, asked.seeds, asked.minutes, asked.marks, parse_overrides(asked.set)))
    else:
        show(overhead())


if __name__ == "__main__":
    main()
