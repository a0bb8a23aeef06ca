"""Every attention equals softmax under the dense mask, and the mask is what the words say."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gatllm.models import Pattern, attend


def dense(query: Tensor, key: Tensor, value: Tensor, pattern: Pattern, padding: Tensor | None) -> Tensor:
    """The definition, in float64; a query that sees nothing gets zeros."""
    mask = pattern.allowed(torch.arange(query.shape[1]), torch.arange(key.shape[1]))[None, None]
    if padding is not None:
        mask = mask & ~padding[:, None, None]
    scores = torch.einsum("bqhd,bkhd->bhqk", query.double(), key.double()) / query.shape[-1] ** 0.5
    weights = scores.masked_fill(~mask, -1e30).softmax(-1).masked_fill(~mask, 0)
    return torch.einsum("bhqk,bkhd->bqhd", weights, value.double())


@pytest.mark.parametrize(
    ("pattern", "drawing"),
    [
        (Pattern(), "###### ###### ###### ###### ###### ######"),
        (Pattern(causal=True), "#..... ##.... ###... ####.. #####. ######"),
        (Pattern(window=2), "##.... ###... .###.. ..###. ...### ....##"),
        (Pattern(causal=True, window=2), "#..... ##.... .##... ..##.. ...##. ....##"),
        (Pattern(window=2, global_tokens=1), "###### ###... ####.. #.###. #..### #...##"),
        (Pattern(causal=True, window=2, global_tokens=1), "#..... ##.... ###... #.##.. #..##. #...##"),
    ],
)
def test_who_sees_whom(pattern: Pattern, drawing: str) -> None:
    mask = pattern.allowed(torch.arange(6), torch.arange(6))
    assert " ".join("".join("#" if seen else "." for seen in row) for row in mask.tolist()) == drawing


@settings(max_examples=80, deadline=None)
@given(
    causal=st.booleans(),
    window=st.sampled_from([None, 1, 5, 64, 70]),
    global_tokens=st.integers(0, 3),
    queries=st.integers(1, 200),
    keys=st.none() | st.integers(1, 300),
    padded=st.booleans(),
)
def test_every_pattern_is_exact(
    causal: bool, window: int | None, global_tokens: int, queries: int, keys: int | None, padded: bool
) -> None:
    keys = queries if causal or keys is None else keys
    pattern = Pattern(causal, window, global_tokens if window else 0)
    query, key, value = torch.randn(2, queries, 2, 8), torch.randn(2, keys, 2, 8), torch.randn(2, keys, 2, 8)
    padding = torch.zeros(2, keys, dtype=torch.bool)
    padding[0, (keys + 1) // 2 :] = True
    got = attend(query, key, value, pattern, padding if padded else None)
    torch.testing.assert_close(
        got.double(), dense(query, key, value, pattern, padding if padded else None), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("pattern", [Pattern(True, 300, 5), Pattern(False, 300, 5), Pattern(False, 40)])
@pytest.mark.parametrize("keys", [4500, 2100])
def test_long_texts_are_exact(pattern: Pattern, keys: int) -> None:
    keys = 4500 if pattern.causal else keys
    query, key, value = torch.randn(1, 4500, 1, 4), torch.randn(1, keys, 1, 4), torch.randn(1, keys, 1, 4)
    padding = torch.zeros(1, keys, dtype=torch.bool)
    padding[0, keys - 100 :] = True
    got = attend(query, key, value, pattern, padding)
    torch.testing.assert_close(got.double(), dense(query, key, value, pattern, padding), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_the_windowed_gradient_is_exact(causal: bool) -> None:
    pattern = Pattern(causal, window=9, global_tokens=2)
    tensors = [torch.randn(2, 150, 2, 4, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    grads = []
    for function in (attend, dense):
        out = function(*tensors, pattern, None)
        grads.append(torch.autograd.grad(out.square().sum(), tensors))
    for ours, reference in zip(*grads, strict=True):
        torch.testing.assert_close(ours, reference)
