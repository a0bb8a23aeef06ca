"""Memory that a training step frees is kept for the next one."""

from __future__ import annotations

import ctypes
import sys

# Names of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


def keep_freed_memory() -> bool:
    """Tell glibc not to hand freed blocks back to the kernel; true if it obeyed.

    A step allocates and frees the same few blocks of 5 to 50 MB again and again. By default each is mapped afresh and
    the kernel clears its pages: on a processor that took longer than many of the operations themselves (`dev/LOG.md`).
    Elsewhere than on Linux with glibc nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    wanted = ((_M_MMAP_THRESHOLD, 1 << 30), (_M_TRIM_THRESHOLD, (1 << 31) - 1), (_M_TOP_PAD, 64 << 20))
    return all(mallopt(name, value) == 1 for name, value in wanted)
