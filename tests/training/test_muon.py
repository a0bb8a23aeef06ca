"""Stacked Muon does what PyTorch's does."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gatllm.training.muon import Muon, orthogonalise

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def _train(kind: Any, options: dict[str, Any], steps: int = 4) -> list[torch.Tensor]:
    torch.manual_seed(0)
    weights = [torch.nn.Parameter(torch.randn(shape)) for shape in [(24, 8), (8, 24), (8, 8), (24, 8), (5, 7)]]
    optimizer = kind(weights, lr=0.05, **options)
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=generator)
        optimizer.step()
    return [weight.detach() for weight in weights]


@pytest.mark.parametrize("options", [{}, {"momentum": 0.8, "weight_decay": 0.3}, {"nesterov": False, "ns_steps": 3}])
def test_the_weights_are_those_of_pytorch_within_bf16(options: dict[str, Any]) -> None:
    for ours, theirs in zip(_train(Muon, options), _train(torch.optim.Muon, options), strict=True):
        torch.testing.assert_close(ours, theirs, atol=0.02, rtol=0.02)


def test_a_weight_without_gradient_stays() -> None:
    weight = torch.nn.Parameter(torch.ones(4, 6))
    Muon([weight], lr=0.1).step()
    assert torch.equal(weight, torch.ones(4, 6))


@settings(max_examples=20)
@given(st.integers(1, 5), st.integers(2, 12), st.integers(0, 20))
def test_rows_come_out_nearly_orthonormal(count: int, rows: int, more: int) -> None:
    generator = torch.Generator().manual_seed(rows + more)
    matrices = torch.linalg.qr(torch.randn(count, rows + more, rows, generator=generator))[0].mT * 7
    values = torch.linalg.svdvals(orthogonalise(matrices, COEFFICIENTS).float())
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_zero_gradients_stay_zero() -> None:
    assert not orthogonalise(torch.zeros(2, 3, 4), COEFFICIENTS).any()
