"""Safetensors files hashed tensor by tensor, each byte once.

One pass over a file gives both what proves the file (the hash of its header and of every tensor) and the weights root
that the log names, as `gatllm.models.weights_root` computes it from tensors in memory.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatllm.records import canonical_bytes, merkle_root

_BLOCK = 1 << 17  # it stays in the processor's cache while it is hashed
_LOCAL = threading.local()
_MAX_HEADER = 100_000_000  # as the safetensors library limits it
_DTYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "I16": "int16",
    "U16": "uint16",
    "I32": "int32",
    "U32": "uint32",
    "I64": "int64",
    "U64": "uint64",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where one tensor lies in its file, in bytes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Layout:
    """What a safetensors file holds: the hash of its header, its tensors, and second names of shared tensors."""

    path: Path
    size: int
    header: str
    tensors: tuple[Tensor, ...]
    aliases: dict[str, str]


def read_layout(path: Path) -> Layout:
    """Return the layout of a safetensors file of which every byte belongs to the header or to one tensor.

    Raises:
        ValueError: it is no such file.
        OSError: it can't be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        prefix = file.read(8)
        length = int.from_bytes(prefix, "little")
        if len(prefix) < 8 or length > min(_MAX_HEADER, size - 8):
            raise ValueError("no safetensors header")
        raw = file.read(length)
    try:
        header = json.loads(raw)
        about = header.pop("__metadata__", {})
        tensors = sorted((_tensor(name, entry, 8 + length) for name, entry in header.items()), key=lambda t: t.start)
        aliases = json.loads(about.get("aliases", "{}"))
        fits = set(aliases.values()) <= header.keys() and not aliases.keys() & header.keys()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"damaged safetensors header: {error}") from None
    position = 8 + length
    for tensor in tensors:
        if tensor.start != position or tensor.stop < position:
            raise ValueError("a hole in the safetensors file")
        position = tensor.stop
    if position != size or not fits:
        raise ValueError("the safetensors header doesn't fit the file")
    return Layout(path, size, hashlib.sha256(prefix + raw).hexdigest(), tuple(tensors), aliases)


def _tensor(name: str, entry: dict[str, Any], base: int) -> Tensor:
    start, stop = entry["data_offsets"]
    shape = tuple(entry["shape"])
    if not all(type(number) is int for number in (start, stop, *shape)):
        raise TypeError(name)
    return Tensor(name, _DTYPES[str(entry["dtype"])], shape, base + start, base + stop)


def _buffer() -> memoryview:
    """Return this thread's own buffer: a new one for each tensor would be filled with zeros first."""
    if not hasattr(_LOCAL, "buffer"):
        _LOCAL.buffer = memoryview(bytearray(_BLOCK))
    return _LOCAL.buffer  # type: ignore[no-any-return]


def hash_tensor(path: Path, tensor: Tensor, name: str | None = None) -> str:
    """Return the hash of a tensor, under its own name or that of an alias; equal to `models.tensor_hashes`."""
    header = {"dtype": tensor.dtype, "name": name or tensor.name, "shape": list(tensor.shape)}
    hasher = hashlib.sha256(canonical_bytes(header) + b"\0")
    left = tensor.stop - tensor.start
    buffer = _buffer()
    with path.open("rb", buffering=0) as file:
        file.seek(tensor.start)
        while left:
            count = file.readinto(buffer[: min(_BLOCK, left)])
            if not count:
                raise OSError(f"{path} was cut off while it was read")
            hasher.update(buffer[:count])
            left -= count
    return hasher.hexdigest()


def root_of(hashes: dict[str, str]) -> str:
    """Return the Merkle root over tensor hashes in the order of their names: a weights root."""
    return merkle_root(bytes.fromhex(hashes[name]) for name in sorted(hashes))
