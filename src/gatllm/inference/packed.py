"""A copy of a model that decodes faster on a processor: bfloat16 weights, laid out once for its matrix unit."""

from __future__ import annotations

import copy
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from gatllm.models import GPT, Seq2Seq

Writer = TypeVar("Writer", bound=GPT | Seq2Seq)


def can_pack() -> bool:
    """Tell whether this processor multiplies bfloat16 in hardware and PyTorch can lay weights out for it."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    amx: bool = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return amx


def packed(model: Writer) -> Writer:
    """Return a copy of ``model`` for decoding only, in bfloat16 with packed matrices.

    A plain bfloat16 product lays its weight out anew at every call; at one token a call that costs as much as the
    product. Logits differ from fp32 in the third digit. Without hardware for it, ``model`` itself is returned.
    """
    if not can_pack():
        return model
    twin = copy.deepcopy(model).bfloat16().eval()
    for module in list(twin.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                setattr(module, name, _PackedLinear(child))
    return cast(Writer, twin)


class _PackedLinear(nn.Linear):
    """A linear map whose weight is kept in oneDNN's own layout."""

    def __init__(self, linear: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight, self.bias = linear.weight, linear.bias
        self._layout: Tensor = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())

    def forward(self, x: Tensor) -> Tensor:
        """Return the map of ``x`` (…, in features)."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._layout, self.bias, "none", [], "")
        return product
