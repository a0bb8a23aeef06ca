"""A source string becomes a stream of files, each with its origin and licence."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from gatllm.data.sources import licences
from gatllm.errors import UsageError

_SKIPPED_FOLDERS = frozenset(
    {"__pycache__", "site-packages", "node_modules", ".git", ".hg", ".venv", "venv", ".tox", ".eggs", "build", "dist"}
)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source: a stable ``origin`` such as ``stdlib:json/decoder.py``, its licence, and where it lies."""

    origin: str
    licence: str
    path: Path


def open_source(source: str) -> Iterator[SourceFile]:
    """Yield the Python files of ``source`` in a stable order.

    A source is ``stdlib`` (the running interpreter's), ``dist:NAME`` (an installed package), a folder or a file.

    Raises:
        UsageError: there is no such source.
    """
    if source == "stdlib":
        yield from _standard_library()
    elif source.startswith("dist:"):
        yield from _distribution(source.removeprefix("dist:"))
    else:
        path = Path(source)
        if path.is_dir():
            yield from _folder(path)
        elif path.is_file():
            licence = licences.of_folder(path.parent)
            yield SourceFile(f"{path.parent.resolve().name}:{path.name}", licence, path)
        else:
            raise UsageError(f"no source {source}", "name a folder, a file, `stdlib` or `dist:NAME`")


def _standard_library() -> Iterator[SourceFile]:
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in walk(root):
        yield SourceFile(f"stdlib:{path.relative_to(root).as_posix()}", "PSF-2.0", path)


def _distribution(name: str) -> Iterator[SourceFile]:
    try:
        found = distribution(name)
    except (PackageNotFoundError, ValueError):
        raise UsageError(f"no installed package {name}", f"pip install {name}, or name another") from None
    licence = licences.of_distribution(found)
    for file in sorted(found.files or [], key=str):
        path = Path(str(file.locate()))
        if file.suffix == ".py" and ".." not in file.parts and path.is_file():
            yield SourceFile(f"dist:{name}:{file.as_posix()}", licence, path)


def _folder(root: Path) -> Iterator[SourceFile]:
    licence = licences.of_folder(root)
    name = root.resolve().name
    for path in walk(root):
        yield SourceFile(f"{name}:{path.relative_to(root).as_posix()}", licence, path)


def walk(root: Path, suffixes: tuple[str, ...] = (".py",)) -> Iterator[Path]:
    """Yield the files below ``root`` in a stable order; links to folders are not followed, so loops end."""
    for place, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED_FOLDERS)
        for name in sorted(files):
            if name.endswith(suffixes):
                yield Path(place, name)
