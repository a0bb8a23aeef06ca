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


class Tokens(NamedTuple):
    """What the model reads: ids, structure and padding (batch, tokens), spelling (batch, tokens, slots)."""

    ids: NDArray[np.int64]
    structure: NDArray[np.int64]
    spelling: NDArray[np.int64]
    padding: NDArray[np.bool_]  # true at padding


class Forward(Protocol):
    """Tokens to logits."""

    def __call__(self, tokens: Tokens) -> Logits: ...


class TorchForward:
    """The model itself, in bf16 where the processor computes with it."""

    def __init__(self, model: Discriminator) -> None:
        self._model = model.eval()
        self._lock = threading.Lock()  # torch itself uses all cores: two passes at once only thrash

    def __call__(self, tokens: Tokens) -> Logits:
        import torch

        device = next(self._model.parameters()).device
        ids, structure, spelling, padding = (torch.from_numpy(array).to(device) for array in tokens)
        mask = padding if tokens.padding.any() else None
        with self._lock, torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=_bf16(device)):
            out = self._model(ids, mask, structure, spelling)
        return Logits(*(part.float().cpu().numpy() for part in out))


def _bf16(device: torch.device) -> bool:
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class NumpyForward:
    """The same computation on plain arrays, for the choices that the shipped discriminator makes."""

    def __init__(self, config: Mapping[str, Any], weights: Mapping[str, Array]) -> None:
        # Matrices are kept transposed and contiguous: numpy leaves the fast path where operands are strided.
        self._w = {name: np.ascontiguousarray(_laid(name, value), np.float32) for name, value in weights.items()}
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

    def __call__(self, tokens: Tokens) -> Logits:
        w, (ids, structure, spelling, padding) = self._w, tokens
        x = w["embedding.weight"][ids]  # (batch, tokens, width)
        if "marks.weight" in w:
            x = x + w["marks.weight"][structure]
        if "parts.weight" in w:
            for slot in range(spelling.shape[2]):
                x = x + w["parts.weight"][spelling[..., slot]]
        x = self._norm(x)
        turns = self._turns(ids.shape[1])
        for layer in range(self._layers):
            block = f"encoder.blocks.{layer}"
            inner = x if layer == 0 else self._norm(x)
            x = x + self._attend(inner, block, turns, padding)
            up = np.maximum(_linear(self._norm(x), w[f"{block}.feed_forward.inner.up.weight"]), 0)
            x = x + _linear(up * up, w[f"{block}.feed_forward.inner.down.weight"])
        x = self._norm(x)
        scores = np.where(padding, -np.inf, _linear(x, w["pool.weight"])[..., 0] + w["pool.bias"])
        pooled = (_softmax(scores)[:, None] @ x)[:, 0]
        return Logits(
            np.asarray((pooled @ w["fake.weight"] + w["fake.bias"])[:, 0], np.float32),
            (_linear(x, w["error.weight"]) + w["error.bias"])[..., 0],
            _linear(x, w["edit.weight"]) + w["edit.bias"],
        )

    def _norm(self, x: Array) -> Array:
        return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + self._epsilon)  # type: ignore[no-any-return]

    def _turns(self, tokens: int) -> tuple[Array, Array]:
        frequencies = self._base ** (-np.arange(0, self._head, 2) / self._head)
        angles = np.arange(tokens)[:, None, None] * frequencies
        return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)

    def _attend(self, x: Array, block: str, turns: tuple[Array, Array], padding: NDArray[np.bool_]) -> Array:
        batch, tokens, width = x.shape
        qkv = _linear(x, self._w[f"{block}.attention.inner.qkv.weight"])
        qkv = qkv.reshape(batch, tokens, 3, self._heads, self._head)
        query = self._norm(self._rotate(qkv[:, :, 0], turns)) / np.float32(np.sqrt(self._head))
        key = self._norm(self._rotate(qkv[:, :, 1], turns))
        query = np.ascontiguousarray(query.transpose(0, 2, 1, 3))  # (batch, heads, tokens, head)
        key = np.ascontiguousarray(key.transpose(0, 2, 3, 1))  # (batch, heads, head, tokens)
        value = np.ascontiguousarray(qkv[:, :, 2].transpose(0, 2, 1, 3))
        scores = np.asarray(query @ key, np.float32)
        if padding.any():
            scores[np.broadcast_to(padding[:, None, None], scores.shape)] = -np.inf
        mixed = (_softmax(scores) @ value).transpose(0, 2, 1, 3).reshape(batch, tokens, width)
        return _linear(mixed, self._w[f"{block}.attention.inner.output.weight"])

    def _rotate(self, x: Array, turns: tuple[Array, Array]) -> Array:
        cosine, sine = turns
        left, right = np.split(x, 2, axis=-1)
        return np.concatenate([left * cosine - right * sine, right * cosine + left * sine], axis=-1)


def _laid(name: str, value: Array) -> Array:
    return value if name in ("embedding.weight", "marks.weight", "parts.weight") or value.ndim != 2 else value.T


def _linear(x: Array, weight: Array) -> Array:
    """(…, in) times (in, out), as one matrix product."""
    return (x.reshape(-1, x.shape[-1]) @ weight).reshape(*x.shape[:-1], weight.shape[1])


def _softmax(x: Array) -> Array:
    powers: Array = np.exp(x - x.max(axis=-1, keepdims=True), dtype=np.float32)
    powers /= powers.sum(axis=-1, keepdims=True)
    return powers


def torch_is_there() -> bool:
    """Tell whether torch was imported already, so that using it costs nothing."""
    return "torch" in sys.modules
