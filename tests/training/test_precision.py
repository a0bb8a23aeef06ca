"""Device, number format and threads: what is asked for, or what a probe finds faster."""

import time

import pytest
import torch

from gatllm.errors import UsageError
from gatllm.models import choose_device
from gatllm.training import precision
from gatllm.training.precision import Precision, choose_precision

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def bf16_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "processor_has_bf16", lambda: True)


def test_a_processor_without_bf16_units_does_not_even_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "processor_has_bf16", lambda: False)
    tried: list[str] = []
    assert choose_precision("auto", CPU, 1, lambda one: tried.append(one.name)).name == "fp32"
    assert "bf16" not in tried


@pytest.mark.parametrize("slow", ["fp32", "bf16"])
def test_the_faster_format_is_taken(slow: str) -> None:
    chosen = choose_precision("auto", CPU, 1, lambda precision: time.sleep(0.02 * (precision.name == slow)))
    assert chosen.name != slow
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize("fast", [1, 2])
def test_the_faster_number_of_threads_is_taken(fast: int) -> None:
    torch.set_num_threads(2)
    choose_precision("fp32", CPU, 0, lambda _: time.sleep(0.02 * (torch.get_num_threads() != fast)))
    assert torch.get_num_threads() == fast


def test_what_fails_in_bf16_runs_in_fp32() -> None:
    def attempt(precision: Precision) -> None:
        if precision.name == "bf16":
            raise RuntimeError("not implemented for BFloat16")

    assert choose_precision("auto", CPU, 1, attempt).name == "fp32"


def test_what_is_asked_for_is_not_probed() -> None:
    def refuse(_: Precision) -> None:
        raise AssertionError

    assert choose_precision("bf16", CPU, 1, refuse).name == "bf16"
    with pytest.raises(UsageError, match="fp16"):
        choose_precision("fp16", CPU, 1, refuse)


@pytest.mark.parametrize(
    ("wanted", "native", "taken"), [("auto", True, "bf16"), ("auto", False, "fp16"), ("fp16", True, "fp16")]
)
def test_a_card_without_bf16_computes_in_fp16(
    wanted: str, native: bool, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    assert choose_precision(wanted, torch.device("cuda"), 1, lambda _: None).name == taken


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_missing_device_is_an_error_that_says_so() -> None:
    assert choose_device("cpu") == CPU
    with pytest.raises(UsageError, match="no device cuda"):
        choose_device("cuda")
    with pytest.raises(UsageError, match="is not a device"):
        choose_device("quantum")
