"""Fine-tunes a pretrained language model on a text file: `dataset.txt` in, a model folder out."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gatllm.errors import GatllmError, UsageError
from gatllm.models.pretrained import PretrainedLM, best_dtype
from gatllm.progress import Progress, Report, silent

if TYPE_CHECKING:
    import torch

_HELD_OUT = 0.1  # the end of the text, never trained on
_FEWEST = 64  # tokens


@dataclass(frozen=True, slots=True)
class FineTuning:
    """What came of it: losses in nats per token on the held-out end of the text, before and after."""

    steps: int
    tokens: int
    seconds: float
    train_loss: float
    loss_before: float
    loss_after: float

    @property
    def overfits(self) -> bool:
        """Whether the held-out loss rose."""
        return self.loss_after > self.loss_before


def fine_tune(
    lm: PretrainedLM,
    text_file: Path,
    *,
    steps: int = 100,
    batch: int = 4,
    block: int = 128,
    lr: float = 5e-5,
    seed: int = 0,
    report: Report = silent,
) -> FineTuning:
    """Train ``lm`` further on the text, in place: next-token cross-entropy on chunks drawn at random.

    AdamW (Loshchilov and Hutter, 2019) with linear warm-up over a tenth of the steps and linear decay, gradients
    clipped at norm 1. The weights must be float32 (load with ``dtype="float32"``): small updates vanish in bfloat16.

    Args:
        lm: the model; it changes.
        text_file: UTF-8 text. Its last tenth is held out for validation.
        steps: updates.
        batch: chunks per update.
        block: tokens per chunk.
        lr: the highest learning rate.
        seed: which chunks are drawn.
        report: told after each update.

    Raises:
        GatllmError: the file can't be read, is not UTF-8 or too short, or the loss is no number any more.
        UsageError: the model's weights are not float32, or a size is out of range.
    """
    import torch

    if min(steps, batch, block) < 1 or lr <= 0:
        raise UsageError("steps, batch, block and lr must be above zero")
    if next(lm.model.parameters()).dtype != torch.float32:
        raise UsageError("these weights can't be fine-tuned", 'load the model with dtype="float32"')
    train, held_out = _tokens(lm, text_file, block)
    model, device = lm.model, lm.model.device
    generator = torch.Generator().manual_seed(seed)
    half = best_dtype("auto", device.type)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01)
    before = _loss(lm, held_out, block)
    started, last = time.monotonic(), float("nan")
    model.train()
    try:
        with torch.random.fork_rng(devices=[]):  # dropout draws from the global generator
            torch.manual_seed(seed)
            for step in range(steps):
                for group in optimizer.param_groups:
                    group["lr"] = lr * _schedule(step, steps)
                starts = torch.randint(len(train) - block, (batch,), generator=generator)
                rows = torch.stack([train[at : at + block + 1] for at in starts.tolist()]).to(
                    device
                )  # (batch, block + 1)
                with torch.autocast(device.type, dtype=half, enabled=half != torch.float32):
                    loss = _cross_entropy(model(input_ids=rows[:, :-1]).logits, rows[:, 1:])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                last = float(loss.detach())
                if not math.isfinite(last):
                    raise GatllmError(f"the loss is {last} at step {step + 1}", "lower the learning rate")
                report(Progress("fine-tuning", step + 1, steps, "steps", f"loss {last:.3f}"))
    finally:
        model.eval()
    after = _loss(lm, held_out, block)
    return FineTuning(steps, steps * batch * block, time.monotonic() - started, last, before, after)


def _tokens(lm: PretrainedLM, path: Path, block: int) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise GatllmError(f"{path} is not UTF-8 (byte {error.start})", "convert it first") from None
    except OSError as error:
        raise GatllmError(f"can't read {path}: {error.strerror}", "name a text file") from None
    ids = lm.encode(text)
    cut = int(len(ids) * (1 - _HELD_OUT))
    if cut <= block + 1 or len(ids) < _FEWEST:
        raise GatllmError(f"{path} has {len(ids)} tokens", f"bring more text, or a block below {max(cut - 1, 1)}")
    return torch.tensor(ids[:cut]), torch.tensor(ids[cut:])


def _cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    import torch.nn.functional as F

    return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())


def _loss(lm: PretrainedLM, tokens: torch.Tensor, block: int) -> float:
    """Return the mean loss over all of ``tokens`` (at most 64 blocks of them)."""
    import torch

    total = count = 0.0
    with torch.inference_mode():
        for start in range(0, min(len(tokens) - 1, 64 * block), block):
            piece = tokens[start : start + block + 1][None].to(lm.model.device)
            targets = piece[:, 1:]
            total += float(_cross_entropy(lm.model(input_ids=piece[:, :-1]).logits, targets)) * targets.numel()
            count += targets.numel()
    return total / count if count else float("nan")


def _schedule(step: int, steps: int) -> float:
    warmup = max(steps // 10, 1)
    return min((step + 1) / warmup, (steps - step) / max(steps - warmup, 1), 1.0)
