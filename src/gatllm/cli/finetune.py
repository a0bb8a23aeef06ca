"""``gatllm finetune``: a pretrained model learns from a text file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from gatllm.cli.console import duration, note, print_json, progress_report
from gatllm.errors import GatllmError


def finetune(
    model: str,
    text: Path,
    *,
    out: Path,
    steps: int = 100,
    batch: int = 4,
    block: int = 128,
    lr: float = 5e-5,
    seed: int = 0,
    prompt: str = "",
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Train a pretrained model further on a text file, and save it as a Hugging Face folder.

    The last tenth of the text is held out; its loss before and after shows whether the model learnt or over-fits.

    Args:
        model: a Hugging Face folder or hub id (for example openai-community/gpt2), or a GGUF file.
        text: the text file, UTF-8.
        out: the folder to write; `gatllm ask --model` takes it.
        steps: updates.
        batch: chunks per update.
        block: tokens per chunk.
        lr: the highest learning rate.
        seed: what everything random derives from.
        prompt: let the finished model go on with this text, as a sample.
        json: print the numbers as JSON.
    """
    if out.exists():
        raise GatllmError(f"{out} is already there", "name another folder or remove it")
    from gatllm.models import ChatOptions, PretrainedLM
    from gatllm.training.finetuning import fine_tune

    with progress_report(quiet=json) as report:
        lm = PretrainedLM.load(model, dtype="float32", report=report)
        result = fine_tune(lm, text, steps=steps, batch=batch, block=block, lr=lr, seed=seed, report=report)
    lm.save(out)
    sample = lm.complete([prompt], ChatOptions(max_new_tokens=60))[0].text if prompt else ""
    if json:
        print_json(asdict(result) | {"out": str(out), "sample": sample})
        return
    change = "over-fits: fewer steps or more text" if result.overfits else "learnt"
    note(f"held-out loss {result.loss_before:.3f} → {result.loss_after:.3f} nats per token ({change})")
    note(f"{result.steps} steps, {result.tokens:,} tokens in {duration(result.seconds)}; saved in {out}")
    if prompt:
        print(prompt + sample)
