"""Hashes of weights: by tensor, and as one Merkle root."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor

from gatllm.records import canonical_bytes, merkle_root


def tensor_hashes(state_dict: Mapping[str, Tensor]) -> dict[str, str]:
    """Return the SHA-256 of each tensor, by name in sorted order.

    Hashed are a canonical header (name, dtype, shape) and the values as little-endian bytes in row-major order, so
    that the hash depends neither on the machine nor on the file format.
    """
    return {name: _hash(name, state_dict[name]) for name in sorted(state_dict)}


def weights_root(state_dict: Mapping[str, Tensor]) -> str:
    """Return the RFC 6962 Merkle root over the tensors' hashes (32 bytes each), in the order of their names."""
    return merkle_root(bytes.fromhex(hashed) for hashed in tensor_hashes(state_dict).values())


def _hash(name: str, tensor: Tensor) -> str:
    header = {"dtype": str(tensor.dtype).removeprefix("torch."), "name": name, "shape": list(tensor.shape)}
    values = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    hasher = hashlib.sha256(canonical_bytes(header))
    hasher.update(b"\0")
    hasher.update(values.data)
    return hasher.hexdigest()
