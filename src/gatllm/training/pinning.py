"""The pinned profile: a run that another x86 machine can do again to the bit.

Measured (dev/LOG.md): the number of threads, and the instruction set that each of three libraries chooses by itself,
change the last bits. The libraries read their variables once, when they are loaded.
"""

from __future__ import annotations

import os

from gatllm.errors import UsageError
from gatllm.training.recipe import Recipe

VARIABLES = {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"}


def missing_variables(recipe: Recipe) -> dict[str, str]:
    """Return what must be set in the environment, before torch is loaded, to train by ``recipe``."""
    if not (recipe.determinism and recipe.determinism.pinned):
        return {}
    return {name: value for name, value in VARIABLES.items() if os.environ.get(name) != value}


def in_fixed_order(recipe: Recipe) -> bool:
    """Tell whether a recipe asks for the same bits on every machine."""
    return bool(recipe.determinism and recipe.determinism.fixed_order)


def put_in_order(recipe: Recipe, processes: int) -> Recipe:
    """Return the recipe on the processor in fp32, with any number of threads: `fixed_order` gives equal bits there.

    Raises:
        UsageError: the recipe asks for something else, or several processes train.
    """
    train = recipe.train
    if train.precision not in ("auto", "fp32") or train.device not in ("auto", "cpu") or train.compile == "on":
        raise UsageError(
            "a run in fixed order computes on the processor in fp32, uncompiled",
            "leave out train.precision, train.device and train.compile",
        )
    if processes > 1:
        raise UsageError("a run in fixed order is of one process", "train without torchrun")
    return recipe.replace({"train.precision": "fp32", "train.device": "cpu"})


def pin(recipe: Recipe) -> Recipe:
    """Return the recipe on one thread of the processor in fp32.

    Raises:
        UsageError: the recipe asks for something else, or the libraries were loaded without the variables.
    """
    import torch

    train = recipe.train
    if train.threads > 1 or train.precision not in ("auto", "fp32") or train.device not in ("auto", "cpu"):
        raise UsageError(
            "a pinned run takes one thread of the processor in fp32",
            "leave out train.threads, train.precision and train.device",
        )
    if missing := missing_variables(recipe):
        words = " ".join(f"{name}={value}" for name, value in missing.items())
        raise UsageError("a pinned run takes variables that torch reads when it is loaded", f"set {words} before")
    if torch.backends.cpu.get_cpu_capability() != "AVX2":
        raise UsageError("this processor can't pin: it has no AVX2", "train without determinism.pinned")
    return recipe.replace({"train.threads": 1, "train.precision": "fp32", "train.device": "cpu"})
