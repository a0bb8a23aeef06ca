"""A 🤗 Transformers architecture that native models can become, and what they need for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gatllm.errors import GatllmError
from gatllm.models.config import ModelConfig, TransformerConfig
from gatllm.models.layers import CrossAttention, FeedForward, Norm, SelfAttention
from gatllm.models.stack import Stack

State = dict[str, Tensor]
# Native activation → the name that Transformers gives it.
PLAIN = {"gelu": "gelu", "gelu_tanh": "gelu_pytorch_tanh", "relu": "relu", "relu2": "relu2"}
# relu(x)**2 is a gated unit whose gate and value are the same map: relu(x) * x.
GATED = {"swiglu": "silu", "geglu": "gelu", "relu2": "relu"}
_IDLE = 2e-5  # what a norm may change of an embedding that is normed already


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


def normed_embedding(embedding: nn.Embedding, stack: Stack) -> Tensor:
    """Return the token embedding (vocabulary, width) with the embedding norm of ``stack`` worked in.

    Without added positions the norm sees one embedding at a time, so that a normed table does the same. The target
    norms it once more before its first attention, which changes nothing as long as the epsilon is small beside every
    embedding.

    Raises:
        GatllmError: it is not.
    """
    table = embedding.weight.detach()
    if stack.embedding_norm is None:
        return table
    normed: Tensor = stack.embedding_norm(table).detach()
    off = float((stack.embedding_norm(normed).detach() - normed).abs().max())
    if off > _IDLE:
        raise GatllmError(
            f"the smallest embedding is too small for norm_epsilon: norming it twice is off by {off:.1g}",
            "train with a smaller model.norm_epsilon, or with model.tied = false",
        )
    return normed


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


def split_linear(linear: nn.Linear, parts: int) -> list[tuple[Tensor, Tensor | None]]:
    """Return weight and bias of each of the ``parts`` maps that lie one after the other in ``linear``."""
    biases: Sequence[Tensor | None] = [None] * parts if linear.bias is None else linear.bias.chunk(parts)
    return [*zip(linear.weight.chunk(parts), biases, strict=True)]


def put_attention(
    state: State, name: str, attention: SelfAttention | CrossAttention, *, with_bias: bool, output: str = "o_proj"
) -> None:
    """Add the maps of an attention to ``state``, queries, keys and values apart."""
    if isinstance(attention, SelfAttention):
        parts = [*zip("qkv", split_linear(attention.qkv, 3), strict=True)]
    else:
        query = attention.query.weight, attention.query.bias
        parts = [("q", query), *zip("kv", split_linear(attention.key_value, 2), strict=True)]
    for part, (weight, bias) in parts:
        put_linear(state, f"{name}.{part}_proj", weight, bias, with_bias=with_bias)
    put_linear(state, f"{name}.{output}", attention.output.weight, attention.output.bias, with_bias=with_bias)


def gate_and_value(inner: FeedForward) -> list[tuple[Tensor, Tensor | None]]:
    """Return weight and bias of gate and value; squared ReLU has the same map for both."""
    return split_linear(inner.up, 2) if inner.gated else [(inner.up.weight, inner.up.bias)] * 2


def rope(config: TransformerConfig) -> dict[str, Any]:
    """Return the rotary settings as Transformers calls them."""
    return {"rope_type": "default", "rope_theta": config.rotary_base}


def layer_types(config: TransformerConfig, layers: int) -> list[str]:
    """Return which of the first ``layers`` blocks have a window, as Transformers calls it."""
    windows = [config.layer_window(layer) for layer in range(layers)]
    return ["full_attention" if window is None else "sliding_attention" for window in windows]
