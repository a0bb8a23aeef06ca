"""In fixed order a run has the same bits with any number of threads and instruction set; the unknown is refused."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gatllm.errors import UsageError
from gatllm.training import Recipe, Run, train
from gatllm.training.fixed_order import FixedOrder, fixed_order


def numbers(*shape: int, seed: int = 0, spread: float = 3.0) -> Tensor:
    """Return numbers of very different sizes."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator) * torch.exp(spread * torch.randn(shape, generator=generator))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 300))
def test_the_order_of_summation_changes_no_bit(seed: int, length: int) -> None:
    first, second = numbers(5, length, seed=seed), numbers(length, 7, seed=seed + 1)
    order = torch.randperm(length, generator=torch.Generator().manual_seed(seed))
    with fixed_order(True):
        assert torch.equal(first @ second, first[:, order] @ second[order])
        assert torch.equal(first.sum(1), first[:, order].sum(1))
        assert torch.equal(torch.linalg.vector_norm(first), torch.linalg.vector_norm(first[:, order]))
        assert torch.equal(torch.softmax(first, 1)[:, order], torch.softmax(first[:, order], 1))
        assert torch.equal(torch.log_softmax(first, 1)[:, order], torch.log_softmax(first[:, order], 1))


def test_long_products_are_summed_in_pieces() -> None:
    first, second = numbers(2, 20_000, spread=0.1), numbers(20_000, 3, seed=1, spread=0.1)
    with fixed_order(True):
        product = first @ second
    assert torch.allclose(product, first @ second, rtol=1e-4, atol=1e-3)


def test_many_embeddings_of_one_token_in_any_order() -> None:
    table = torch.nn.Embedding(4, 8)
    tokens = torch.tensor([1, 2, 1, 1, 3, 2, 1])
    pull = numbers(7, 8)
    order = torch.tensor([6, 0, 3, 1, 2, 5, 4])
    gradients = []
    for which in (torch.arange(7), order):
        with fixed_order(True):
            (table(tokens[which]) * pull[which]).sum().backward()
        assert table.weight.grad is not None
        gradients.append(table.weight.grad)
        table.weight.grad = None
    assert torch.equal(*gradients)


@pytest.mark.parametrize(
    ("ours", "where"),
    [
        (torch.exp, numbers(999, spread=1)),
        (torch.log, numbers(999).abs()),
        (torch.log1p, numbers(999).abs()),
        (torch.cos, numbers(999)),
        (torch.sin, numbers(999)),
        (torch.tanh, numbers(999)),
        (torch.sigmoid, numbers(999)),
        (torch.rsqrt, numbers(999).abs()),
        (torch.reciprocal, numbers(999)),
        (lambda x: torch.softmax(x, 0), numbers(999, spread=0.5)),
        (lambda x: torch.log_softmax(x, 0), numbers(999, spread=0.5)),
        (lambda x: x.mean(), numbers(999)),
        (lambda x: x.pow(3), numbers(999)),
        (lambda x: torch.lerp(x, x * 2, 0.3), numbers(999)),
        (lambda x: torch.addcmul(x, x, x, value=-0.5), numbers(999)),
        (lambda x: torch.add(x, x, alpha=0.3), numbers(999)),
        (torch.nn.functional.silu, numbers(999)),
    ],
)
def test_values_are_those_of_torch_but_for_rounding(ours: object, where: Tensor) -> None:
    with fixed_order(True):
        found = ours(where)  # type: ignore[operator]
    wanted = ours(where.double())  # type: ignore[operator]
    assert found.dtype == torch.float32
    assert torch.allclose(found.double(), wanted, rtol=3e-6, atol=1e-6)


def test_the_borders() -> None:
    inf = math.inf
    with fixed_order(True):
        assert torch.exp(torch.tensor([-inf, 0.0, -1000.0])).tolist() == [0.0, 1.0, 0.0]
        assert torch.log(torch.tensor([0.0, 1.0])).tolist() == [-inf, 0.0]
        assert torch.log(torch.tensor([-1.0])).isnan().all()
        assert torch.softmax(torch.tensor([[0.0, -inf], [5.0, 5.0]]), 1).tolist() == [[1.0, 0.0], [0.5, 0.5]]
        assert (torch.zeros(3, 4) @ torch.zeros(4, 2)).tolist() == [[0.0, 0.0]] * 3
        assert torch.zeros(3).sum() == 0
        assert (torch.full((2, 2), math.nan) @ torch.ones(2, 2)).isnan().all()  # a loss that is not a number stays none
        assert not torch.tensor([inf, 1.0]).sum().isfinite()


def test_random_numbers_are_spread_as_they_should() -> None:
    torch.manual_seed(1)
    with fixed_order(True):
        normal, uniform = torch.empty(100_000).normal_(1.0, 2.0), torch.empty(100_000).uniform_(-1, 3)
    assert abs(float(normal.mean()) - 1) < 0.03
    assert abs(float(normal.std()) - 2) < 0.03
    assert abs(float((normal > 3).float().mean()) - 0.1587) < 0.005
    assert (float(uniform.min()) >= -1, float(uniform.max()) < 3) == (True, True)
    assert abs(float(uniform.mean()) - 1) < 0.02


def test_what_is_not_known_to_be_exact_is_refused() -> None:
    with fixed_order(True), pytest.raises(UsageError, match="linalg_qr"):
        torch.linalg.qr(torch.ones(2, 2))
    with fixed_order(True), pytest.raises(UsageError, match="does not know"):
        torch.erf(torch.ones(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_roots_are_rounded_as_the_standard_wants(dtype: torch.dtype) -> None:
    """MKL's are not, and not alike on each instruction set."""
    x = numbers(100_000).double().abs().to(dtype)
    with fixed_order(True):
        roots = x.sqrt()
        x_rooted = x.clone().sqrt_()
    assert roots.tolist() == [
        math.sqrt(value) if dtype == torch.float64 else float(np.float32(math.sqrt(value))) for value in x.tolist()
    ]
    assert torch.equal(roots, x_rooted)
    assert roots.dtype == dtype


def test_it_is_entered_once_and_left() -> None:
    x = numbers(3, 40)
    with fixed_order(True):
        once = x @ x.T
        with fixed_order(True):
            assert torch.equal(once, x @ x.T)
    with FixedOrder():  # type: ignore[no-untyped-call]
        assert torch.equal(once, x @ x.T)
    with fixed_order(False):
        assert not torch.equal(once, x @ x.T)


def recipe(text: Path, optimizer: str) -> Recipe:
    return Recipe.of(
        {
            "name": "ordered",
            "objective": "causal",
            "data": {"source": str(text)},
            "tokenizer": {"kind": "characters"},
            "model": {"layers": 2, "heads": 2, "width": 48, "context": 64, "dropout": 0.1},
            "train": {"steps": 4, "batch": 8, "optimizer": optimizer, "evaluations": 1, "samples": 0, "ema": 0.9},
            "determinism": {"fixed_order": True},
        }
    )


TRAIN = """
import sys, torch
from gatllm.training import Recipe, train
torch.set_num_threads(int(sys.argv[3]))
train(Recipe.load(sys.argv[1], {"train.threads": int(sys.argv[3])}), sys.argv[2])
"""


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_threads_and_instruction_sets_change_no_bit(optimizer: str, tmp_path: Path) -> None:
    """The instruction sets are those of machines ten and more years apart."""
    text = tmp_path / "text.txt"
    text.write_text("to be or not to be, that is the question. " * 99)
    (tmp_path / "recipe.toml").write_text(recipe(text, optimizer).to_toml())
    old = {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "SSE41"}
    for name, threads, variables in (("here", 1, {}), ("two", 2, {}), ("old", 1, old)):
        command = [sys.executable, "-c", TRAIN, tmp_path / "recipe.toml", tmp_path / name, str(threads)]
        subprocess.run(command, env={**os.environ, **variables}, check=True, capture_output=True)
    runs = [Run.open(tmp_path / name) for name in ("here", "two", "old")]
    ends = [run.log[-1] for run in runs]
    assert len({end["weights_root"] for end in ends}) == 1
    assert len({run.events("checkpoint")[-1]["state_root"] for run in runs}) == 1
    assert len({end["metrics"]["loss"] for end in ends}) == 1
    assert len({str([(step["loss"], step["grad_norm"]) for step in run.events("step")]) for run in runs}) == 1
    sets = [run.start["commitments"]["environment"]["instruction_set"] for run in runs]
    assert (sets[2], sets[0] != sets[2]) == ("DEFAULT", True)


# What an Intel Xeon with AMX gave, by its own instructions and by those of SSE. An AMD EPYC gave others while roots
# were those of MKL; since then none has been asked.
RECORDED = {
    "adamw": "feef632b2ad78361bc64f1647396c05f49d1d0016a8ea220c980d4aa15b5947f",
    "muon": "9a1ed9a65db77281ad503f9cab21fbfc4d2785bf38dcd3c63dda9d8a50d128b9",
}


@pytest.mark.slow  # to be run on each new kind of machine: a difference would be a finding, not a fault of a change
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_another_vendors_processor_gives_the_recorded_bits(optimizer: str, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("to be or not to be, that is the question. " * 99)
    train(recipe(text, optimizer), tmp_path / "run")
    assert Run.open(tmp_path / "run").log[-1]["weights_root"] == RECORDED[optimizer]


def test_it_is_for_one_processor_in_fp32(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("to be or not to be, that is the question. " * 99)
    for override in ({"train.precision": "bf16"}, {"train.compile": "on"}, {"train.device": "cuda"}):
        with pytest.raises(UsageError, match="fixed order"):
            train(recipe(text, "adamw").replace(override), tmp_path / "run")
