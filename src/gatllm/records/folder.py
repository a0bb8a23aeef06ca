"""Files and folders that appear whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gatllm.errors import GatllmError
from gatllm.system import exchange, sync

_MARK = ".partial-"
_DISK_REFUSES = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO}


def _temporary(target: Path) -> Path:
    return target.with_name(f"{_MARK}{target.name}-{uuid.uuid4().hex[:8]}")


def is_partial(path: Path) -> bool:
    """Tell whether ``path`` is what an interrupted write left behind."""
    return path.name.startswith(_MARK)


@contextmanager
def _disk_errors(target: Path, temporary: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # The block may also read: an error about another file is not ours to translate.
        ours = (str(target.parent), str(temporary))
        if error.errno not in _DISK_REFUSES and not str(error.filename or "").startswith(ours):
            raise
        raise GatllmError(f"can't write {target}: {error.strerror or error}", "check space and permissions") from None


def write_file(target: Path, data: bytes | str) -> None:
    """Write a file so that readers see the old content or the new, never a part.

    Raises:
        GatllmError: the disk is full or the place can't be written.
    """
    temporary = _temporary(target)
    with _disk_errors(target, temporary):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(data.encode() if isinstance(data, str) else data)
                file.flush()
                os.fsync(file.fileno())
            if target.exists():  # a script stays executable, a secret stays secret
                shutil.copymode(target, temporary)
            temporary.replace(target)
            sync(target.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def new_folder(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary folder that becomes ``target`` when the block ends well, and is removed when it doesn't.

    Raises:
        GatllmError: ``target`` is already there (and ``replace`` is false), or the disk refuses.
    """
    if target.exists() and not replace:
        raise GatllmError(f"{target} is already there", "name another folder or remove it")
    temporary = _temporary(target)
    with _disk_errors(target, temporary):
        try:
            temporary.mkdir(parents=True)
            yield temporary
            for path in temporary.rglob("*"):
                if not path.is_symlink():
                    sync(path)
            sync(temporary)
            if not target.exists():
                temporary.rename(target)
            elif not replace:  # it appeared meanwhile: somebody else's work
                raise FileExistsError(errno.EEXIST, "it appeared meanwhile", str(target))
            elif not exchange(temporary, target):
                old = _temporary(target)
                target.rename(old)
                temporary.rename(target)
                old.rename(temporary)
            sync(target.parent)
            shutil.rmtree(temporary, ignore_errors=True)  # after an exchange: the old content
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
