"""A model's own answers that were rewarded, as rows beside those of real text.

Reward-weighted likelihood (Peters and Schaal 2007) of the best of several answers (RAFT, Dong et al. 2023): the policy
gradient that a small model stands, since every row is ordinary teacher forcing with a weight.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from gatllm.data import Dataset
from gatllm.errors import GatllmError
from gatllm.tokenizers import Tokenizer
from gatllm.training.objectives.windows import IGNORED
from gatllm.training.seeds import derive


@dataclass(frozen=True, slots=True)
class Rewarded:
    """One answer as ids, and the weight of its tokens; that of real text is 1."""

    prompt: list[int]
    answer: list[int]
    weight: float


def read_rewarded(folder: str, tokenizer: Tokenizer, *, prompt: int, answer: int) -> tuple[list[Rewarded], str]:
    """Return the answers of a dataset that fit into so many tokens, and its root.

    A record whose text begins with its prompt is a continuation: what follows the prompt is the answer.

    Raises:
        GatllmError: the dataset is missing, or none of its records has a prompt, a weight and room.
    """
    dataset = Dataset.open(folder)
    found = []
    for record in dataset.records():
        question, text = str(record.get("prompt") or ""), str(record["text"])
        ids = tokenizer.encode(question), tokenizer.encode(text.removeprefix(question))
        if "weight" in record and 0 < len(ids[0]) <= prompt and 0 < len(ids[1]) <= answer:
            found.append(Rewarded(*ids, float(record["weight"])))
    if not found:
        raise GatllmError(f"{folder} has no rewarded answers that fit", "leave out data.rewarded, or raise the context")
    return found, dataset.manifest.merkle_root


def draw_rewarded(pool: Sequence[Rewarded], fraction: float, rows: int, seed: int, index: int) -> list[Rewarded]:
    """Return the answers among the ``rows`` of pass ``index``: a fixed number of them, drawn by the seed."""
    count = min(rows - 1, round(fraction * rows)) if pool else 0
    return random.Random(derive(seed, "rewarded", index)).choices(pool, k=count) if count > 0 else []


def row_weights(drawn: Sequence[Rewarded], rows: int, targets: Tensor, fraction: float) -> Tensor:
    """Return the weight of each row's targets (batch,), with which the sum of all losses is the batch's loss.

    The first rows are ``drawn``. They make up ``fraction`` of the loss, however short they are, each in proportion to
    its weight; the other rows share the rest by their tokens.
    """
    counts = (targets != IGNORED).sum(1).float()
    weights = torch.tensor([one.weight for one in drawn] + [1.0] * (rows - len(drawn)))
    mine = torch.arange(rows) < len(drawn)
    total = weights * counts
    return torch.where(mine, fraction * weights / total[mine].sum(), (1 - fraction) * weights / total[~mine].sum())


def weighted_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the sum of the cross-entropies of all targets, each times its row's weight; ``weights`` is (batch,)."""
    each = functional.cross_entropy(
        logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED, reduction="none"
    ).view_as(targets)
    return (each * weights[:, None]).sum()
