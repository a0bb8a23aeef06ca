"""What differs between operating systems: every such assumption of `check`, `fix`, `lsp` and `explain` stands here.

| assumption                               | Linux | macOS | Windows |
|------------------------------------------|-------|-------|---------|
| what is opened for reading can be synced | yes   | yes   | no      |
| two folders change places in one step    | yes   | no    | no      |
| a file is locked by `flock`              | yes   | yes   | no      |
| `/proc/loadavg` says who else runs       | yes   | no    | no      |

The rest of gatllm (training, the sandbox, the service) assumes Linux.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO, Any

_LOAD = Path("/proc/loadavg")


def sync(path: Path) -> None:
    """Make a file, or what was renamed in a folder, durable; where the system has no such call, leave it to it."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def exchange(first: Path, second: Path) -> bool:
    """Swap two folders in one step, so that a crash in between leaves one of them in place; False where unsupported."""
    if sys.platform != "linux":
        return False
    import ctypes

    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):  # not glibc 2.28 or later
        return False
    here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return bool(renameat2(here, os.fsencode(first), here, os.fsencode(second), swap) == 0)


def lock(file: IO[Any], *, wait: bool = True) -> None:
    """Hold a file alone until it is closed, against other processes that ask the same.

    Raises:
        BlockingIOError: another process holds it, and ``wait`` is false.
    """
    if sys.platform == "win32":
        _lock_first_byte(file, wait)
        return
    import fcntl

    fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def _lock_first_byte(file: IO[Any], wait: bool) -> None:
    import msvcrt

    place = file.tell()
    file.seek(0)
    try:
        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError as error:
        raise BlockingIOError(error.errno, "another process holds it") from None
    finally:
        file.seek(place)


def others_at_work(load: Path = _LOAD) -> int | None:
    """Return how many threads besides this one want a processor now; None where the system doesn't say."""
    try:
        return int(load.read_text(encoding="ascii").split()[3].split("/")[0]) - 1
    except (OSError, ValueError, IndexError):
        return None
