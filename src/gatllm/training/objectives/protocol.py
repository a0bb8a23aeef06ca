"""What the loop asks of an objective.

An objective is a function of the recipe alone: prepared twice from the same recipe and data it gives the same batches.
That is why a checkpoint need not hold its state, and why anyone can replay a part of a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gatllm.tokenizers import Tokenizer

_WIDTH = 32


def few_widths(longest: int, limit: int) -> int:
    """Return the width of a batch whose longest row has ``longest`` tokens: a multiple of 32, at most ``limit``.

    For every new shape the processor's kernels are made anew and kept; what few shapes gain stands in `dev/LOG.md`.
    Short rows stay as they are: there the padding would cost more.
    """
    return longest if longest <= _WIDTH else min(-(-longest // _WIDTH) * _WIDTH, limit)


@dataclass(frozen=True, slots=True)
class Batch:
    """One forward pass.

    ``weight`` is the number of supervised targets (above 0): passes that share an update count in its proportion, so
    that one pass of 8 rows and 8 passes of one row are the same update. ``tokens`` is what throughput counts.
    """

    tensors: Mapping[str, Tensor]
    weight: float
    tokens: int

    def to(self, device: torch.device) -> Batch:
        """Return the batch on ``device``."""
        moved = {name: tensor.to(device, non_blocking=True) for name, tensor in self.tensors.items()}
        return Batch(moved, self.weight, self.tokens)


class Objective(Protocol):
    """A prepared objective: data split and encoded, tokenizer trained, model configuration resolved."""

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer; saved as `tokenizer.json`."""

    @property
    def model_config(self) -> Mapping[str, Any]:
        """The recipe's ``[model]`` table with all that follows from the data; `models.config_from_dict` takes it."""

    @property
    def data_root(self) -> str:
        """The hash that commits to the ordered data: a dataset's Merkle root, or the SHA-256 of a text."""

    @property
    def batches_per_epoch(self) -> int | None:
        """How many passes see each training row once; None where rows are drawn without end."""

    def batch(self, index: int, progress: float, /) -> Batch:
        """Return the ``index``-th training pass (from 0); a pure function of the recipe, ``index`` and ``progress``.

        ``progress`` is the fraction of the budget that is done, 0 to 1: a curriculum may follow it.
        """

    def loss(self, model: nn.Module, batch: Batch, /) -> dict[str, Tensor]:
        """Return scalar means over the batch's targets; ``loss`` is minimised, the others are logged."""

    def evaluate(self, model: nn.Module, /) -> dict[str, float]:
        """Return metrics over the whole fixed validation set; ``loss`` (lower is better) is always among them.

        The loop has put the model in evaluation mode, without gradients, in the run's precision.
        """

    def sample(self, model: nn.Module, step: int, /) -> str:
        """Return a short text that lets a person see progress."""

    def artifacts(self, model: nn.Module, /) -> Mapping[str, str]:
        """Return what users of the run need besides weights and tokenizer (thresholds, say): file name → text."""

    def close(self) -> None:
        """Close what was opened, such as worker processes."""
