"""What a run was computed with: all that can change a bit of its result, as far as a program can tell."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path
from typing import Any

import torch

import gatllm
from gatllm.records import digest, file_sha256, sha256
from gatllm.training.precision import Precision

_VARIABLES = ("ATEN_CPU_CAPABILITY", "MKL_CBWR", "ONEDNN_MAX_CPU_ISA", "OMP_NUM_THREADS", "CUBLAS_WORKSPACE_CONFIG")


def environment(precision: Precision, processes: int = 1) -> dict[str, Any]:
    """Return the numerical environment: equal ones give equal bits on a processor, others agree within a tolerance."""
    model, flags = _processor()
    return {
        "torch": torch.__version__,
        "build": sha256(torch.__config__.show().encode())[:16],
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": _device_name(precision.device, model),
        "processor": model,
        "processor_flags": sha256(flags.encode())[:16],
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "processes": processes,
        "dtype": precision.name,
        "variables": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
    }


def _device_name(device: torch.device, processor: str) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor if device.type == "cpu" else "mps"


def _processor() -> tuple[str, str]:
    """Return (name, flags) of the processor."""
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return platform.processor() or platform.machine(), ""
    known: dict[str, str] = {}
    for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
        key, _, value = line.partition(":")
        known.setdefault(key.strip(), value.strip())
    vendor = known.get("vendor_id", "")
    name = known.get("model name", platform.machine())
    return f"{name} ({vendor})" if vendor else name, known.get("flags", known.get("Features", ""))


@cache
def code() -> dict[str, str]:
    """Return the version of this package and the hash over its sources."""
    root = Path(gatllm.__file__).parent
    hashes = {path.relative_to(root).as_posix(): file_sha256(path) for path in sorted(root.rglob("*.py"))}
    return {"version": gatllm.__version__, "source": digest(hashes)}
