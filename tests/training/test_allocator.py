"""The allocator's setting, in a process of its own: it can't be taken back."""

import platform
import subprocess
import sys

import pytest

_PROGRAM = "from gatllm.training.allocator import keep_freed_memory; print(keep_freed_memory())"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc only")
def test_glibc_obeys() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


_TRAINED = """
import resource
import torch
from gatllm.training.allocator import give_back_memory, keep_freed_memory

def held():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6

keep_freed_memory()
blocks = [(torch.ones(2_000_000), torch.ones(10)) for _ in range(50)]
small = [one for _, one in blocks]
del blocks
before = held()
print(give_back_memory(), before - held() > 300)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc only")
def test_what_a_training_held_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", _TRAINED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]
