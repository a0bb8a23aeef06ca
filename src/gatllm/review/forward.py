"""The discriminator's forward pass, twice: by torch, and by numpy alone.

From the shell, importing torch takes longer than checking a file takes in all; numpy is there in a tenth of that time.
For much text torch is quicker.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

    from gatllm.models import Discriminator

Array = NDArray[np.float32]


class Logits(NamedTuple):
    """What the three heads say: fake (batch,), error (batch, tokens), edit (batch, tokens, tags)."""

    fake: Array
    error: Array
    edit: Array


class Forward(Protocol):
    """Token ids (batch, tokens) and padding (batch, tokens, true at padding) to logits."""

    def __call__(self, ids: NDArray[np.int64], padding: NDArray[np.bool_]) -> Logits: ...


class TorchForward:
    """The model itself, in bf16 where the processor computes with it."""

    def __init__(self, model: Discriminator) -> None:
        self._model = model.eval()
        self._lock = threading.Lock()  # torch itself uses all cores: two passes at once only thrash

    def __call__(self, ids: NDArray[np.int64], padding: NDArray[np.bool_]) -> Logits:
        import torch

        device = next(self._model.parameters()).device
        tokens = torch.from_numpy(ids).to(device)
        mask = torch.from_numpy(padding).to(device) if padding.any() else None
        with self._lock, torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=_bf16(device)):
            out = self._model(tokens, mask)
        return Logits(*(part.float().cpu().numpy() for part in out))


def _bf16(device: torch.device) -> bool:
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class NumpyForward:
    """The same computation on plain arrays, for the choices that the shipped discriminator makes."""

    def __init__(self, config: Mapping[str, Any], weights: Mapping[str, Array]) -> None:
        self._w = {name: np.ascontiguousarray(value, np.float32) for name, value in weights.items()}
        self._heads, self._layers = int(config["heads"]), int(config["layers"])
        self._head = int(config["width"]) // self._heads
        self._epsilon = float(config.get("norm_epsilon", 1e-6))
        self._base = float(config.get("rotary_base", 10_000.0))

    @staticmethod
    def fits(config: Mapping[str, Any]) -> bool:
        """Tell whether a model's configuration makes no other choices than those computed here."""
        usual = {
            "positions": "rotary",
            "norm": "rms",
            "norm_place": "pre",
            "norm_gain": False,
            "embedding_norm": True,
            "activation": "relu2",
            "bias": False,
            "qk_norm": True,
            "window": None,
            "pooling": "attention",
        }
        return all(config.get(name, value) == value for name, value in usual.items())

    def __call__(self, ids: NDArray[np.int64], padding: NDArray[np.bool_]) -> Logits:
        w = self._w
        x = self._norm(w["embedding.weight"][ids])  # (batch, tokens, width)
        turns = self._turns(ids.shape[1])
        for layer in range(self._layers):
            block = f"encoder.blocks.{layer}"
            inner = x if layer == 0 else self._norm(x)
            x = x + self._attend(inner, block, turns, padding)
            up = np.maximum(self._norm(x) @ w[f"{block}.feed_forward.inner.up.weight"].T, 0)
            x = x + (up * up) @ w[f"{block}.feed_forward.inner.down.weight"].T
        x = self._norm(x)
        scores = np.where(padding, -np.inf, (x @ w["pool.weight"].T)[..., 0] + w["pool.bias"])
        pooled = (_softmax(scores)[:, None] @ x)[:, 0]
        return Logits(
            np.asarray((pooled @ w["fake.weight"].T + w["fake.bias"])[:, 0], np.float32),
            (x @ w["error.weight"].T + w["error.bias"])[..., 0],
            x @ w["edit.weight"].T + w["edit.bias"],
        )

    def _norm(self, x: Array) -> Array:
        return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + self._epsilon)  # type: ignore[no-any-return]

    def _turns(self, tokens: int) -> tuple[Array, Array]:
        frequencies = self._base ** (-np.arange(0, self._head, 2) / self._head)
        angles = np.arange(tokens)[:, None, None] * frequencies
        return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)

    def _attend(self, x: Array, block: str, turns: tuple[Array, Array], padding: NDArray[np.bool_]) -> Array:
        batch, tokens, width = x.shape
        qkv = (x @ self._w[f"{block}.attention.inner.qkv.weight"].T).reshape(batch, tokens, 3, self._heads, self._head)
        query, key = (self._norm(self._rotate(qkv[:, :, part], turns)).transpose(0, 2, 1, 3) for part in (0, 1))
        value = qkv[:, :, 2].transpose(0, 2, 1, 3)
        scores = query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(self._head))
        if padding.any():
            scores = np.where(padding[:, None, None], -np.inf, scores)
        mixed = (_softmax(scores) @ value).transpose(0, 2, 1, 3).reshape(batch, tokens, width)
        return mixed @ self._w[f"{block}.attention.inner.output.weight"].T

    def _rotate(self, x: Array, turns: tuple[Array, Array]) -> Array:
        cosine, sine = turns
        left, right = np.split(x, 2, axis=-1)
        return np.concatenate([left * cosine - right * sine, right * cosine + left * sine], axis=-1)


def _softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)


def torch_is_there() -> bool:
    """Tell whether torch was imported already, so that using it costs nothing."""
    return "torch" in sys.modules
