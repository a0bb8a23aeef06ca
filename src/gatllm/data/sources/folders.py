"""Folders, git checkouts, the standard library, installed packages: files that lie on the disk."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from gatllm.data.languages import language_of
from gatllm.data.sources import licences
from gatllm.data.sources.item import SourceFile
from gatllm.errors import UsageError

_NEVER = frozenset({"__pycache__", "site-packages", "node_modules", ".git", ".hg", ".svn", ".tox", ".nox", ".eggs"})
_NOT_AT_THE_TOP = frozenset({"build", "dist", "venv", ".venv", "env"})


def standard_library() -> Iterator[SourceFile]:
    """Yield the files of the running interpreter's standard library."""
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in walk(root, (".py",)):
        yield SourceFile(f"stdlib:{path.relative_to(root).as_posix()}", "PSF-2.0", path)


def installed(name: str, suffixes: Sequence[str]) -> Iterator[SourceFile]:
    """Yield the files of an installed distribution.

    Raises:
        UsageError: it is not installed.
    """
    try:
        found = distribution(name)
    except (PackageNotFoundError, ValueError):
        raise UsageError(f"no installed package {name}", f"pip install {name}, or name another") from None
    licence = licences.of_distribution(found)
    for file in sorted(found.files or [], key=str):
        path = Path(str(file.locate()))
        if file.name.endswith(tuple(suffixes)) and ".." not in file.parts and path.is_file():
            yield SourceFile(f"dist:{name}:{file.as_posix()}", licence, path, language=language_of(file.name))


def folder(root: Path, suffixes: Sequence[str]) -> Iterator[SourceFile]:
    """Yield the files of a folder; of a git checkout, only those that git tracks.

    Each has the licence of the nearest folder above it that states one.
    """
    name = root.resolve().name or "root"
    stated: dict[Path, str] = {}

    def licence_of(place: Path) -> str:
        if place not in stated:
            own = licences.of_folder(place)
            stated[place] = own if own != licences.UNKNOWN or place == root else licence_of(place.parent)
        return stated[place]

    for path in _tracked(root, tuple(suffixes)) or walk(root, tuple(suffixes)):
        yield SourceFile(
            f"{name}:{path.relative_to(root).as_posix()}",
            licence_of(path.parent),
            path,
            language=language_of(path.name),
        )


def walk(root: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Yield the files below ``root`` in a stable order; links to folders are not followed, so loops end."""
    for place, folders, files in os.walk(root):
        top = place == str(root)
        folders[:] = sorted(name for name in folders if name not in _NEVER and not (top and name in _NOT_AT_THE_TOP))
        for name in sorted(files):
            if name.endswith(suffixes):
                yield Path(place, name)


def _tracked(root: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Return what git tracks below ``root``; nothing when it is not a checkout or there is no git."""
    if not (root / ".git").exists():
        return []
    try:
        command = ["git", "-C", str(root), "ls-files", "-z", "--cached"]
        done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return []
    names = sorted(os.fsdecode(name) for name in done.stdout.split(b"\0") if name)
    paths = [root / name for name in names if name.endswith(suffixes)]
    return [path for path in paths if path.is_file()]


def commit_of(root: Path) -> str:
    """Return the commit that a git checkout is at, or ''."""
    if not (root / ".git").exists():
        return ""
    try:
        command = ["git", "-C", str(root), "rev-parse", "HEAD"]
        return subprocess.run(command, capture_output=True, check=True, timeout=60, text=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
