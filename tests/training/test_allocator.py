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
