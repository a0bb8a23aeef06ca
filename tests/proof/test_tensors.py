"""A file's weights root is that of the tensors in memory, and what is not a safetensors file is hashed as bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gatllm.models import save_weights, tensor_hashes, weights_root
from gatllm.proof.inventory import hash_files
from gatllm.proof.tensors import hash_tensor, read_layout, root_of

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.uint8, torch.bool]


@given(
    st.lists(st.tuples(st.sampled_from(DTYPES), st.lists(st.integers(0, 4), max_size=3)), min_size=1, max_size=6),
    st.booleans(),
)
def test_equal_to_the_root_in_memory(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[tuple[torch.dtype, list[int]]], tied: bool
) -> None:
    weights = {f"t{number}": torch.ones(shape).mul(number).to(kind) for number, (kind, shape) in enumerate(kinds)}
    if tied:
        weights["a.tied"] = weights["t0"]
    folder = tmp_path_factory.mktemp("weights")
    save_weights(folder / "w.safetensors", weights, {"note": "x"})
    layout = read_layout(folder / "w.safetensors")
    assert {tensor.name: hash_tensor(layout.path, tensor) for tensor in layout.tensors}.items() <= tensor_hashes(
        weights
    ).items()
    found = hash_files(folder, ["w.safetensors"])
    assert found.weights_roots["w.safetensors"] == weights_root(weights)


def test_large_tensors_are_read_in_pieces(tmp_path: Path) -> None:
    weights = {"big": torch.arange(700_000, dtype=torch.float32), "small": torch.ones(3)}
    save_weights(tmp_path / "w.safetensors", weights)
    layout = read_layout(tmp_path / "w.safetensors")
    assert root_of({t.name: hash_tensor(layout.path, t) for t in layout.tensors}) == weights_root(weights)


def file_of(header: object, body: bytes = b"\0" * 8) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + body


def f32(start: object, stop: object, shape: object = (2,)) -> dict[str, object]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [start, stop]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        file_of(b"{"),
        file_of([1]),
        file_of({"a": 3}),
        file_of({"a": f32(0, 4)}),  # four bytes belong to nothing
        file_of({"a": f32(4, 8)}),
        file_of({"a": f32(0, 99)}),
        file_of({"a": f32("0", 8)}),
        file_of({"a": {**f32(0, 8), "dtype": "F99"}}),
        file_of({"a": f32(0, 8), "__metadata__": {"aliases": '{"b": "c"}'}}),
        file_of({"a": f32(0, 8), "__metadata__": {"aliases": '{"a": "a"}'}}),
        file_of({"a": f32(0, 8), "__metadata__": {"aliases": "7"}}),
        file_of({"a": f32(0, 8), "__metadata__": 7}),
    ],
)
def test_what_is_no_whole_safetensors_file_is_hashed_as_bytes(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"header|hole"):
        read_layout(tmp_path / "w.safetensors")
    found = hash_files(tmp_path, ["w.safetensors", "gone"])
    assert set(found.entries["w.safetensors"]) == {"size", "sha256"}
    assert found.weights_roots == {}
    assert "gone" not in found.entries
