"""What `gatllm sample` does with a pretrained model: a run, or a folder or file as `gatllm export` writes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gatllm.cli.console import note, print_json

if TYPE_CHECKING:
    from gatllm.models import ChatOptions


def sample_pretrained(
    run: Path, prompts: Sequence[str], options: ChatOptions, n: int, *, device: str, quiet: bool, json: bool
) -> None:
    """Print ``n`` texts for each prompt: a model of texts continues it, one of conversations answers it."""
    from gatllm.models.run import read_recipe
    from gatllm.models.tuned import is_tuned, load_lm

    lm = load_lm(run, device=device)
    chat = read_recipe(run)["objective"] != "causal" if is_tuned(run) else bool(lm.tokenizer.chat_template)
    texts = [prompt for prompt in prompts for _ in range(n)]
    options = replace(options, seed=options.seed * 1_000_003)  # row i draws by seed + i: no two seeds share a row
    if chat:
        found = lm.generate([[{"role": "user", "content": text}] for text in texts], options)
    else:
        found = lm.complete(texts, options)
    if json:
        print_json(
            [
                {"prompt": text, "sample": number % n, "text": one.text, "finish": one.finish_reason}
                for number, (text, one) in enumerate(zip(texts, found, strict=True))
            ]
        )
        return
    for number, (text, one) in enumerate(zip(texts, found, strict=True)):
        if not quiet and len(found) > 1:
            note(f"--- prompt {number // n + 1}, answer {number % n + 1} ({one.finish_reason})")
        print(one.text if chat or quiet else text + one.text)
