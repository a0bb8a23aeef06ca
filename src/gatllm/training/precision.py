"""On which device and in which number format a run computes: chosen by a short probe, then written in the log."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from gatllm.errors import UsageError

_PATIENCE = 2.0  # seconds
_HOPELESS = 3.0  # times the best: slower than any warm-up could explain


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


Attempt = Callable[[Precision], None]


def choose_precision(wanted: str, device: torch.device, threads: int, attempt: Attempt) -> Precision:
    """Return the precision of a recipe and set the number of processor threads; what is left open is probed.

    ``attempt`` is one forward and backward pass. The processor's bf16 units pay for wide models only, a second thread
    not for the narrowest (both are bound by overhead), and a busy machine shifts both borders: no table could tell.

    Args:
        wanted: fp32, bf16, fp16, or ``auto``.
        device: what computes.
        threads: processor threads; 0: all, or one where that is faster.
        attempt: what is timed.

    Raises:
        UsageError: the device can't compute in the wanted format.
    """
    if wanted == "fp16" and device.type == "cpu":
        raise UsageError("fp16 is too slow and narrow on a processor", "set train.precision to auto, bf16 or fp32")
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return Precision(device, wanted if wanted != "auto" else "bf16" if native else "fp16")
    # Without bf16 units a single update in bf16 may take a minute: that is not even tried.
    usual = ["bf16", "fp32"] if device.type != "cpu" or processor_has_bf16() else ["fp32"]
    names = usual if wanted == "auto" else [wanted]
    counts = [threads] if threads else sorted({torch.get_num_threads(), 1}, reverse=True)
    candidates = [(count, name) for count in counts for name in names]
    if len(candidates) > 1:
        candidates = [_fastest(candidates, device, attempt)]
    count, name = candidates[0]
    torch.set_num_threads(count)
    return Precision(device, name)


def processor_has_bf16() -> bool:
    """Tell whether the processor multiplies matrices in bf16 by itself."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _fastest(candidates: list[tuple[int, str]], device: torch.device, attempt: Attempt) -> tuple[int, str]:
    """Return the (threads, format) that takes the least time; hopeless ones are tried once.

    The others are tried three times, or as often as two seconds allow: small steps differ by less than a busy
    machine's noise.
    """
    best: dict[tuple[int, str], float] = {}
    until = time.perf_counter() + _PATIENCE
    for turn in range(20):
        if turn >= 3 and time.perf_counter() > until:
            break
        for candidate in candidates:
            if best and best.get(candidate, 0.0) > _HOPELESS * min(best.values()):
                continue
            try:
                seconds = _seconds(candidate[0], Precision(device, candidate[1]), attempt)
            except (RuntimeError, TypeError):  # an operation that this device lacks in this format
                if candidate[1] == "fp32":
                    raise
                seconds = float("inf")
            best[candidate] = min(best.get(candidate, float("inf")), seconds)
    return min(best, key=lambda candidate: best[candidate])


def _seconds(threads: int, precision: Precision, attempt: Attempt) -> float:
    torch.set_num_threads(threads)
    start = time.perf_counter()
    attempt(precision)
    precision.synchronize()
    return time.perf_counter() - start
