"""Weights go to disk and back bit by bit, and their hashes follow the values alone."""

from pathlib import Path

import pytest
import torch

from gatllm.errors import GatllmError
from gatllm.models import GPTConfig, build, load_weights, put_weights, save_weights, tensor_hashes, weights_root

CONFIG = GPTConfig(vocabulary=11, layers=1, heads=2, width=8, context=8)


def test_round_trip_keeps_every_bit_and_the_sharing(tmp_path: Path) -> None:
    shared = torch.randn(3, 4)
    state = {"b": shared, "a": shared, "c": torch.randn(4, 3).t(), "d": torch.randn(2).bfloat16(), "e": torch.empty(0)}
    save_weights(tmp_path / "w.safetensors", state)
    loaded = load_weights(tmp_path / "w.safetensors")
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], state[name]) and loaded[name].dtype == state[name].dtype for name in state)
    assert loaded["a"].data_ptr() == loaded["b"].data_ptr()
    assert weights_root(loaded) == weights_root(state)


def test_hashes_follow_name_type_shape_and_values() -> None:
    tensor = torch.arange(6, dtype=torch.float32).view(2, 3)
    reference = weights_root({"a": tensor})
    assert weights_root({"a": tensor.clone().t().contiguous().t()}) == reference
    others = [
        {"b": tensor},
        {"a": tensor.double()},
        {"a": tensor.view(3, 2)},
        {"a": tensor + 1e-6},
        {"a": tensor, "b": tensor},
    ]
    assert len({reference, *(weights_root(other) for other in others)}) == 6
    # A published value: whoever reads the description can compute it without this code.
    assert tensor_hashes({"a": torch.zeros(1)})["a"] == (
        __import__("hashlib").sha256(b'{"dtype":"float32","name":"a","shape":[1]}\0\0\0\0\0').hexdigest()
    )


def test_what_does_not_fit_is_one_line(tmp_path: Path) -> None:
    model = build(CONFIG)
    path = tmp_path / "model.safetensors"
    with pytest.raises(GatllmError, match="is missing"):
        load_weights(path)
    save_weights(path, model.state_dict())
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(GatllmError, match="is damaged"):
        load_weights(path)
    path.write_bytes(b"no")
    with pytest.raises(GatllmError, match="is damaged"):
        load_weights(path)
    state = model.state_dict()
    del state["embedding.weight"]
    with pytest.raises(GatllmError, match=r"embedding.weight is missing"):
        put_weights(model, state, "x")
    with pytest.raises(GatllmError, match=r"embedding.weight is \(1, 8\) instead of \(11, 8\)"):
        put_weights(model, state | {"embedding.weight": torch.zeros(1, 8)}, "x")
