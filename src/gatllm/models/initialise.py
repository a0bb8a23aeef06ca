"""How weights start."""

from __future__ import annotations

import math

from torch import nn

from gatllm.models.config import TransformerConfig
from gatllm.models.layers import Branch, CrossAttention, FeedForward, SelfAttention
from gatllm.models.positions import AddedPositions


def initialise(model: nn.Module, config: TransformerConfig) -> None:
    """Set the weights of ``model`` in place as ``config.initialisation`` says.

    - ``zero_output``: matrices uniform with the variance 1 / (3 fan-in), output projections of all branches and heads
      zero, so that each block starts as the identity (as in the modded-nanoGPT speed runs).
    - ``gpt2``: normal with deviation 0.02, output projections smaller by sqrt(2 x layers) (Radford et al. 2019).
    - ``xavier``: uniform by fan-in and fan-out (Glorot & Bengio 2010).
    - ``orthogonal``: random rotations (Saxe et al. 2014), output projections smaller by sqrt(2 x layers).
    """
    outputs = _output_projections(model)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            _fill(module, config, is_output=module in outputs)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            # An untied embedding that is normed anyway may start at the scale of the norm.
            wide = config.embedding_norm and not getattr(config, "tied", False)
            nn.init.normal_(module.weight, std=1.0 if wide else 0.02)
            if module.padding_idx is not None:  # summed onto another embedding: says nothing until it has learnt
                nn.init.zeros_(module.weight)
        elif isinstance(module, AddedPositions) and isinstance(module.weight, nn.Parameter):
            nn.init.normal_(module.weight, std=0.02)


def _output_projections(model: nn.Module) -> set[nn.Linear]:
    inner = [module.inner for module in model.modules() if isinstance(module, Branch)]
    outputs = {part.down for part in inner if isinstance(part, FeedForward)}
    outputs |= {part.output for part in inner if isinstance(part, SelfAttention | CrossAttention)}
    return outputs


def _fill(linear: nn.Linear, config: TransformerConfig, *, is_output: bool) -> None:
    depth = 1 / math.sqrt(2 * config.layers) if is_output else 1.0
    match config.initialisation:
        case "zero_output":
            if is_output or linear.out_features in {1, getattr(config, "tags", 1), config.vocabulary}:
                nn.init.zeros_(linear.weight)
            else:
                bound = 1 / math.sqrt(linear.in_features)
                nn.init.uniform_(linear.weight, -bound, bound)
        case "gpt2":
            nn.init.normal_(linear.weight, std=0.02 * depth)
        case "xavier":
            nn.init.xavier_uniform_(linear.weight)
        case "orthogonal":
            nn.init.orthogonal_(linear.weight, gain=depth)
