"""On which device and in which number format a run computes: chosen by a short probe, then written in the log."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from gatllm.errors import UsageError


@dataclass(frozen=True)
class Precision:
    """A device and the format that matrix products run in; weights and optimiser state stay in fp32."""

    device: torch.device
    name: str  # fp32, bf16 or fp16

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context that forward passes run in."""
        if self.name == "fp32":
            return nullcontext()
        dtype = torch.bfloat16 if self.name == "bf16" else torch.float16
        return torch.autocast(self.device.type, dtype=dtype)

    def synchronize(self) -> None:
        """Wait until the device has done what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()


def choose_device(name: str) -> torch.device:
    """Return the device of a recipe; ``auto`` takes CUDA, then MPS, then the processor.

    Raises:
        UsageError: the machine has no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"train.device {name!r} is no device", "use auto, cpu, cuda, cuda:N or mps") from None
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(device.type, False) or (device.index or 0) >= max(1, torch.cuda.device_count()):
        raise UsageError(f"this machine has no device {name}", "set train.device to auto or cpu")
    return device


def choose_precision(wanted: str, device: torch.device, attempt: Callable[[Precision], None]) -> Precision:
    """Return the precision of a recipe; ``auto`` takes whichever runs ``attempt`` faster here.

    ``attempt`` is one forward and backward pass. The processor's bf16 units pay for wide models only (narrow ones are
    bound by overhead), which is why no table of processors is used.

    Raises:
        UsageError: the device can't compute in the wanted format.
    """
    if wanted == "fp16" and device.type == "cpu":
        raise UsageError("fp16 is too slow and narrow on a processor", "set train.precision to auto, bf16 or fp32")
    if wanted != "auto":
        return Precision(device, wanted)
    fp32 = Precision(device, "fp32")
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return Precision(device, "bf16" if native else "fp16")
    bf16 = Precision(device, "bf16")
    try:
        _seconds(bf16, attempt)
    except (RuntimeError, TypeError):  # an operation that this device lacks in bf16
        return fp32
    _seconds(fp32, attempt)
    pairs = [(_seconds(fp32, attempt), _seconds(bf16, attempt)) for _ in range(3)]
    return bf16 if min(b for _, b in pairs) < min(a for a, _ in pairs) else fp32


def _seconds(precision: Precision, attempt: Callable[[Precision], None]) -> float:
    start = time.perf_counter()
    attempt(precision)
    precision.synchronize()
    return time.perf_counter() - start
