"""Copies the one folder in which everything is kept, while the service runs, and brings it back."""

from __future__ import annotations

import os
import sqlite3
import tarfile
import tempfile
import time
from pathlib import Path

from gatllm.errors import GatllmError, UsageError

_BESIDE = ("-wal", "-shm", "-journal")  # what SQLite keeps beside a database; the copy has none


def backup(folder: Path, out: Path) -> int:
    """Write an archive of ``folder``, keys included, readable by its owner only; return how many files it has.

    A database is copied as it was at one moment, by SQLite itself, also while others write it.

    Raises:
        UsageError: there is no such folder, or ``out`` lies in it or exists.
        GatllmError: something can't be read or written.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}", "nothing was kept there yet")
    if out.exists() or out.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"{out} exists or lies in the folder itself", "name a new file elsewhere")
    partial = out.with_name(f".{out.name}.partial")
    count = 0
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
            for path in sorted(folder.rglob("*")):
                if path.is_symlink() or not path.is_file() or path.name.endswith(_BESIDE):
                    continue
                name = path.relative_to(folder).as_posix()
                if path.suffix == ".db":
                    with tempfile.TemporaryDirectory() as place:
                        copy = Path(place) / path.name
                        _copy_database(path, copy)
                        archive.add(copy, name)
                else:
                    archive.add(path, name)
                count += 1
            file.flush()
        partial.replace(out)
    except (OSError, sqlite3.Error, tarfile.TarError) as error:
        partial.unlink(missing_ok=True)
        raise GatllmError(f"the backup failed: {error}", "nothing was written; the folder is as it was") from None
    return count


def _copy_database(path: Path, copy: Path) -> None:
    source = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    target = sqlite3.connect(copy)
    try:
        source.backup(target)
        [result] = target.execute("pragma quick_check").fetchone()
        if result != "ok":
            raise GatllmError(f"{path} is damaged: {result}", "bring back an older backup")
    finally:
        target.close()
        source.close()


def restore(archive: Path, folder: Path) -> Path | None:
    """Bring ``folder`` back from an archive; what is there now is moved aside, and its place returned.

    Raises:
        GatllmError: the archive can't be read, or holds what is not a backup; nothing is changed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        with tarfile.open(archive, "r:gz") as opened:
            opened.extractall(fresh, filter="data")  # refuses paths that lead out, links and devices
    except (OSError, tarfile.TarError, EOFError) as error:
        _remove(fresh)
        raise GatllmError(f"{archive} can't be read: {error}", "nothing was changed") from None
    for path in fresh.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    aside = None
    if folder.exists():
        aside = folder.with_name(f"{folder.name}.before-{time.strftime('%Y%m%d-%H%M%S')}")
        folder.rename(aside)
    fresh.rename(folder)
    return aside


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
