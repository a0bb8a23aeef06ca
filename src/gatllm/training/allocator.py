"""Memory that a training step frees is kept for the next one."""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import Any

# Names of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


def keep_freed_memory() -> bool:
    """Tell glibc not to hand freed blocks back to the kernel; true if it obeyed.

    A step allocates and frees the same few blocks of 5 to 50 MB again and again. By default each is mapped afresh and
    the kernel clears its pages: on a processor that took longer than many of the operations themselves (`dev/LOG.md`).
    Elsewhere than on Linux with glibc nothing happens.
    """
    mallopt = _glibc("mallopt")
    if mallopt is None:
        return False
    wanted = ((_M_MMAP_THRESHOLD, 1 << 30), (_M_TRIM_THRESHOLD, (1 << 31) - 1), (_M_TOP_PAD, 64 << 20))
    return all(mallopt(name, value) == 1 for name, value in wanted)


def give_back_memory() -> bool:
    """Hand freed blocks back to the kernel after all, when a training is over; true if any went.

    After a round of reinforcement a process held 13 GB where a fresh one needs 3 (half a billion weights, an adapter).
    """
    trim = _glibc("malloc_trim")
    gc.collect()
    return trim is not None and trim(0) == 1


def _glibc(name: str) -> Any:
    if not sys.platform.startswith("linux"):
        return None
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):  # another C library
        return None
