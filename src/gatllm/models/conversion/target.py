"""A 🤗 Transformers architecture that native models can become, and what they need for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gatllm.models.build import Model
from gatllm.models.config import ModelConfig
from gatllm.models.layers import Norm

State = dict[str, Tensor]
# Native activation → the name that Transformers gives it.
PLAIN = {"gelu": "gelu", "gelu_tanh": "gelu_pytorch_tanh", "relu": "relu", "relu2": "relu2"}
# relu(x)**2 is a gated unit whose gate and value are the same map: relu(x) * x.
GATED = {"swiglu": "silu", "geglu": "gelu", "relu2": "relu"}


@dataclass(frozen=True)
class Target:
    """One architecture.

    Attributes:
        name: the class that `AutoModel…` makes.
        kind: of the native config.
        needs: config key → the values that fit (True stands for any value but none or 0).
        convert: from the native model to the Transformers config and its state dict.
        auto: the `AutoModel…` class that loads the folder.
    """

    name: str
    kind: str
    needs: Mapping[str, tuple[Any, ...]]
    convert: Callable[[Any], tuple[Any, State]]
    auto: str

    def misfits(self, config: ModelConfig) -> list[str]:
        """Return why ``config`` doesn't fit, one reason a key."""
        reasons = []
        for key, wanted in self.needs.items():
            value = getattr(config, key)
            if value not in wanted:
                reasons.append(f"{key} = {' or '.join(_show(one) for one in wanted)} instead of {_show(value)}")
        if config.embedding_norm and config.norm_gain and self.needs.get("embedding_norm") is None:
            reasons.append("norm_gain = false where embedding_norm is true")
        return reasons


def _show(value: object) -> str:
    return str(value).lower() if value is None or isinstance(value, bool) else repr(value)


def normed_embedding(model: Model) -> Tensor:
    """Return the token embedding (vocabulary, width) with the embedding norm worked in.

    Without added positions the norm sees one embedding at a time, so that a normed table does the same.
    """
    stack = model.decoder if hasattr(model, "decoder") else model.encoder
    table: Tensor = model.embedding.weight.detach()
    return table if stack.embedding_norm is None else stack.embedding_norm(table).detach()  # type: ignore[operator, union-attr]


def gain(norm: Norm | None, width: int) -> Tensor:
    """Return the gain of a norm; ones where there is none."""
    return torch.ones(width) if norm is None or norm.weight is None else norm.weight.detach()


def shift(norm: Norm | None, width: int) -> Tensor:
    """Return the bias of a norm; zeros where there is none."""
    return torch.zeros(width) if norm is None or norm.bias is None else norm.bias.detach()


def put_linear(state: State, name: str, weight: Tensor, bias: Tensor | None, *, with_bias: bool) -> None:
    """Add a linear map to ``state``, its missing bias as zeros where the target has one."""
    state[f"{name}.weight"] = weight.detach()
    if with_bias:
        state[f"{name}.bias"] = torch.zeros(weight.shape[0]) if bias is None else bias.detach()


def put_norm(state: State, name: str, norm: Norm | None, width: int, *, with_bias: bool) -> None:
    """Add a norm to ``state``, with a gain of ones (and a bias of zeros) where it has none."""
    state[f"{name}.weight"] = gain(norm, width)
    if with_bias:
        state[f"{name}.bias"] = shift(norm, width)
