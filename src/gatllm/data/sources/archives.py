"""Zip files, wheels, tar files and sdists, read member by member and never unpacked: nothing lands outside."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from gatllm.data.languages import language_of
from gatllm.data.sources import licences
from gatllm.data.sources.item import SourceFile
from gatllm.errors import GatllmError

ZIPS = (".zip", ".whl")
TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_METADATA = ("PKG-INFO", "METADATA")


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may hold: files, bytes of one file, bytes in all, and how many times its own size."""

    files: int = 200_000
    file_bytes: int = 1 << 20
    total_bytes: int = 2 << 30
    ratio: float = 200.0
    # Small archives of repetitive text are not bombs.
    free_bytes: int = 32 << 20


class _Counted:
    """A reader that refuses to give more than an archive of this size may expand to."""

    def __init__(self, file: IO[bytes], most: int, name: str) -> None:
        self._file, self._left, self._name = file, most, name

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size if size >= 0 else self._left + 1)
        self._left -= len(data)
        if self._left < 0:
            raise _bomb(self._name)
        return data


def _bomb(name: str) -> GatllmError:
    return GatllmError(f"{name} expands to far more than its size", "unpack it yourself if you trust it")


def _most(path: Path, limits: Limits) -> int:
    return int(min(limits.total_bytes, max(limits.free_bytes, path.stat().st_size * limits.ratio)))


def archive(path: Path, suffixes: Sequence[str], limits: Limits | None = None) -> Iterator[SourceFile]:
    """Yield the source files of an archive, in its order.

    A member whose name leads outside (``../``, ``/``) or that is too large has a ``problem``.

    Raises:
        GatllmError: it is not an archive, damaged, encrypted, or a bomb.
    """
    limits = limits or Limits()
    wanted = tuple(suffixes)
    stated: dict[PurePosixPath, str] = {}
    try:
        for name, data, _ in _members(path, limits, lambda name: _states_licence(PurePosixPath(name).name)):
            if data is not None:
                _note_licence(stated, PurePosixPath(name), data.decode("utf-8", "replace"))
        for name, data, problem in _members(path, limits, lambda name: name.endswith(wanted)):
            yield SourceFile(
                f"{path.name}:{name}",
                _licence_of(stated, PurePosixPath(name)),
                data=data,
                language=language_of(name),
                problem=problem,
            )
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, RuntimeError, OSError) as error:
        raise GatllmError(f"can't read the archive {path}: {error}", "fetch it again") from None


def _states_licence(name: str) -> bool:
    return licences.is_licence_file(name) or name in _METADATA


def _note_licence(stated: dict[PurePosixPath, str], place: PurePosixPath, text: str) -> None:
    if place.name in _METADATA:
        lines = (line.partition(":") for line in text.split("\n\n", maxsplit=1)[0].splitlines())
        found = next((value.strip() for key, _, value in lines if key == "License-Expression"), "")
    else:
        found = licences.of_text(text)
    folder = place.parent
    # A wheel keeps its licences in NAME.dist-info/: they hold for the whole of it.
    while folder.name == "licenses" or folder.name.endswith((".dist-info", ".egg-info")):
        folder = folder.parent
    if found and found != licences.UNKNOWN:
        stated[folder] = found


def _licence_of(stated: dict[PurePosixPath, str], place: PurePosixPath) -> str:
    return next((stated[parent] for parent in place.parents if parent in stated), licences.UNKNOWN)


_Member = tuple[str, bytes | None, tuple[str, str] | None]


def _members(path: Path, limits: Limits, wanted: Callable[[str], bool]) -> Iterator[_Member]:
    """Yield (name, content, problem) of the wanted members."""
    opened = _zip_members(path, limits) if path.name.endswith(ZIPS) else _tar_members(path, limits)
    for count, (name, size, read) in enumerate(opened):
        if count >= limits.files:
            raise GatllmError(f"{path} holds over {limits.files:,} files", "divide it")
        place = PurePosixPath(name.replace("\\", "/"))
        if not wanted(name):
            continue
        if place.is_absolute() or ".." in place.parts or (place.parts and place.parts[0].endswith(":")):
            yield name, None, ("unsafe-name", "the name leads outside the archive")
        elif size > limits.file_bytes:
            yield name, None, ("too-large", f"{size:,} bytes, the limit is {limits.file_bytes:,}")
        else:
            data = read.read(limits.file_bytes + 1)
            if len(data) > limits.file_bytes:
                yield name, None, ("too-large", f"over {limits.file_bytes:,} bytes")
            else:
                yield name, data, None


class _ZipMember:
    """A member of a zip file, opened when it is read."""

    def __init__(self, file: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: list[int], name: str) -> None:
        self._file, self._entry, self._budget, self._name = file, entry, budget, name

    def read(self, size: int) -> bytes:
        with self._file.open(self._entry) as member:
            data = member.read(size)
        self._budget[0] -= len(data)
        if self._budget[0] < 0:
            raise _bomb(self._name)
        return data


class _TarMember:
    """The member that a tar stream stands at."""

    def __init__(self, file: tarfile.TarFile, entry: tarfile.TarInfo) -> None:
        self._file, self._entry = file, entry

    def read(self, size: int) -> bytes:
        member = self._file.extractfile(self._entry)
        return member.read(size) if member is not None else b""


_Opened = Iterator[tuple[str, int, _ZipMember | _TarMember]]


def _zip_members(path: Path, limits: Limits) -> _Opened:
    budget = [_most(path, limits)]
    with zipfile.ZipFile(path) as file:
        for entry in file.infolist():
            if not entry.is_dir():
                yield entry.filename, entry.file_size, _ZipMember(file, entry, budget, path.name)


def _tar_members(path: Path, limits: Limits) -> _Opened:
    openers: dict[str, Callable[[Path, str], Any]] = {
        ".gz": gzip.open,
        ".tgz": gzip.open,
        ".bz2": bz2.open,
        ".xz": lzma.open,
    }
    opener = openers.get(path.suffix)
    with cast(IO[bytes], opener(path, "rb")) if opener else path.open("rb") as raw:
        counted = _Counted(raw, _most(path, limits), path.name)
        # As a stream: each member is read before the next header, and the count covers what is skipped.
        with tarfile.open(fileobj=cast(IO[bytes], counted), mode="r|") as file:
            for entry in file:
                if entry.isfile():  # links and devices are nothing to learn from
                    yield entry.name, entry.size, _TarMember(file, entry)
