"""Files and folders that appear whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gatllm.errors import GatllmError

_MARK = ".partial-"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _temporary(target: Path) -> Path:
    return target.with_name(f"{_MARK}{target.name}-{uuid.uuid4().hex[:8]}")


def is_partial(path: Path) -> bool:
    """Tell whether ``path`` is what an interrupted write left behind."""
    return path.name.startswith(_MARK)


@contextmanager
def _disk_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise GatllmError(f"can't write {target}: {error.strerror or error}", "check space and permissions") from None


def write_file(target: Path, data: bytes | str) -> None:
    """Write a file so that readers see the old content or the new, never a part.

    Raises:
        GatllmError: the disk is full or the place can't be written.
    """
    temporary = _temporary(target)
    with _disk_errors(target):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(data.encode() if isinstance(data, str) else data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
            _sync(target.parent)
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
    with _disk_errors(target):
        try:
            temporary.mkdir(parents=True)
            yield temporary
            for path in temporary.rglob("*"):
                if path.is_file():
                    _sync(path)
            if target.exists():
                old = _temporary(target)
                target.rename(old)
                temporary.rename(target)
                shutil.rmtree(old)
            else:
                temporary.rename(target)
            _sync(target.parent)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
