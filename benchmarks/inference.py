"""Decoding beside `transformers.generate` with the same weights, and the cost of long contexts.

    python benchmarks/inference.py [--pairs 5] [--threads 2] [--run RUN] [--only decoding|context|start]

Prints tables and one JSON line. Decoding: greedy, no early end, alternating pairs (ours, theirs, ours, …), both in fp32
with a key-value cache on the same threads; theirs is the exported folder loaded with `AutoModelForCausalLM`.
Context: one forward pass over n tokens without gradients, full against windowed attention.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tomli_w
import torch

from gatllm.inference import Sampling, generate
from gatllm.models import GPT, GPTConfig, build, load_run, save_weights
from gatllm.models.conversion import export
from gatllm.tokenizers import train_characters

SIZES = {
    "10.65M": {"layers": 6, "heads": 6, "width": 384, "context": 256},
    "0.8M": {"layers": 4, "heads": 4, "width": 128, "context": 256},
}
PROMPT, NEW = 32, 100
LETTERS = train_characters(["".join(chr(code) for code in range(32, 91))])


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def spread(values: list[float]) -> dict[str, float]:
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def show(name: str, cells: dict[str, dict[str, float]], unit: str) -> None:
    texts = [f"{key} {v['median']:,.0f} ({v['min']:,.0f} to {v['max']:,.0f})" for key, v in cells.items()]
    print(f"{name:24} " + "   ".join(texts) + f" {unit}", flush=True)


def decoding(model: GPT, tokenizer: Any, pairs: int, name: str) -> dict[str, Any]:
    """Tokens a second of ours and theirs, at batch 1 and 16."""
    from transformers import AutoModelForCausalLM

    with tempfile.TemporaryDirectory() as place:
        target = export(model, tokenizer, Path(place) / "out")
        theirs = AutoModelForCausalLM.from_pretrained(Path(place) / "out", dtype=torch.float32).eval()
    results: dict[str, Any] = {}
    for batch in (1, 16):
        generator = torch.Generator().manual_seed(0)
        prompts = torch.randint(8, tokenizer.size, (batch, PROMPT), generator=generator)
        sampling = Sampling(max_new_tokens=NEW, ignore_end=True)

        def ours(prompts: torch.Tensor = prompts, sampling: Sampling = sampling) -> list[list[int]]:
            answers = generate(model, tokenizer, prompts.tolist(), sampling)
            return [list(answer.tokens) for (answer,) in answers]

        def peers(prompts: torch.Tensor = prompts) -> list[list[int]]:
            written = theirs.generate(
                prompts,
                attention_mask=torch.ones_like(prompts),
                max_new_tokens=NEW,
                min_new_tokens=NEW,
                do_sample=False,
                suppress_tokens=[tokenizer.pad_id],
                pad_token_id=tokenizer.pad_id,
                eos_token_id=None,
            )
            return [row[PROMPT:] for row in written.tolist()]

        same = sum(a == b for a, b in zip(ours(), peers(), strict=True))  # also warms both up
        fast, slow = [], []
        for _ in range(pairs):
            fast.append(batch * NEW / seconds(ours))
            slow.append(batch * NEW / seconds(peers))
        ratio = [a / b for a, b in zip(fast, slow, strict=True)]
        cells = {"ours": spread(fast), "transformers": spread(slow)}
        show(f"{name}, batch {batch}", cells, "tokens/s")
        print(f"{'':24} ratio {statistics.median(ratio):.2f} ({min(ratio):.2f} to {max(ratio):.2f}), ", end="")
        print(f"{same} of {batch} texts the same")
        results[f"batch {batch}"] = {**cells, "ratio": spread(ratio), "same_texts": same}
    return {"peer": target.name, **results}


def long_context(pairs: int) -> dict[str, Any]:
    """Milliseconds of a forward pass, full and windowed, 1k to 16k tokens."""
    base: dict[str, Any] = {"vocabulary": 64, "layers": 2, "heads": 4, "width": 128, "context": 16_384}
    kinds = {
        "full": build(GPTConfig(**base), seed=0).eval(),
        "window 256 + 16 global": build(GPTConfig(**base, window=256, global_tokens=16), seed=0).eval(),
    }
    results: dict[str, Any] = {}
    for tokens in (1024, 2048, 4096, 8192, 16_384):
        ids = torch.randint(64, (1, tokens))
        times: dict[str, list[float]] = {name: [] for name in kinds}
        with torch.inference_mode():
            for turn in range(pairs + 1):  # the first turn warms up
                for name, model in kinds.items():
                    taken = seconds(lambda model=model, ids=ids: model.hidden(ids)) * 1000
                    if turn:
                        times[name].append(taken)
        cells = {name: spread(values) for name, values in times.items()}
        show(f"{tokens:,} tokens", cells, "ms")
        results[str(tokens)] = cells
    for name in kinds:
        growth = results["16384"][name]["min"] / results["1024"][name]["min"]
        print(f"{name}: {growth:.1f} times the time for 16 times the tokens")
    return results


def start_up(pairs: int) -> dict[str, float]:
    """Seconds of a whole `gatllm sample` of ten tokens, in a process of its own."""
    config = GPTConfig(vocabulary=LETTERS.size, **SIZES["10.65M"])
    with tempfile.TemporaryDirectory() as place:
        run = Path(place)
        (run / "recipe.toml").write_text(tomli_w.dumps({"model": config.model_dump(exclude_none=True)}))
        (run / "tokenizer.json").write_text(LETTERS.to_json())
        save_weights(run / "model.safetensors", build(config, seed=0).state_dict())
        command = [sys.executable, "-c", "from gatllm.cli import main; main()", "sample", place, "--tokens", "10"]
        times = [
            seconds(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(max(3, pairs))
        ]
    taken = spread(times)
    print(f"{'gatllm sample':24} {taken['median']:.2f} ({taken['min']:.2f} to {taken['max']:.2f}) s from start to end")
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--run", type=Path, help="a trained GPT instead of the two of random weights")
    parser.add_argument("--only", choices=["decoding", "context", "start"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of both")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    import transformers

    transformers.utils.logging.set_verbosity_error()
    results: dict[str, Any] = {"threads": torch.get_num_threads(), "torch": torch.__version__}
    results["transformers"] = transformers.__version__
    if options.only in (None, "decoding"):
        if options.run:
            run = load_run(options.run)
            results["decoding"] = {str(options.run): decoding(run.model, run.tokenizer, options.pairs, "run")}
        else:
            results["decoding"] = {}
            for name, size in SIZES.items():
                # Outputs that are not zero, so that the texts compared are not all one letter.
                config = GPTConfig(vocabulary=LETTERS.size, **size, initialisation="orthogonal")
                model = build(config, seed=0).eval()
                results["decoding"][name] = decoding(model, LETTERS, options.pairs, name)
    if options.only in (None, "context"):
        results["context_ms"] = long_context(options.pairs)
    if options.only in (None, "start"):
        results["start_s"] = start_up(options.pairs)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
