"""Version history as a stream of changed files: consecutive releases of a package, folders, the log of a checkout."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from gatllm.data.sources import SourceFile, open_source
from gatllm.data.sources.archives import TARS, ZIPS
from gatllm.data.sources.licences import UNKNOWN, of_folder
from gatllm.data.verdicts.verdict import decode
from gatllm.errors import GatllmError, UsageError

_ARCHIVES = (*ZIPS, *TARS)
# The message of a commit says best what it is for; releases have none.
_FIXES = re.compile(r"(?i)\b(fix(e[sd])?|bug|mistake|typo|wrong|regression|crash(es)?|off.by.one|forgot(ten)?)\b")
# Neither the checkout's own settings nor its attributes may start a program.
_GIT = ("git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "--no-pager", "--literal-pathspecs")


@dataclass(frozen=True, slots=True)
class Change:
    """One file in two versions: ``origin`` is the same for all versions, ``versions`` tells which two."""

    origin: str
    versions: str
    old: str
    new: str
    licence: str = UNKNOWN


@dataclass(frozen=True, slots=True)
class Step:
    """Two consecutive versions of one thing, with the files that changed between them."""

    subject: str
    versions: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class _Release:
    subject: str
    version: str
    source: str


def steps(sources: Sequence[str]) -> Iterator[Step]:
    """Yield consecutive versions, oldest first.

    Archives (wheels, sdists; also those in a folder named) are grouped by package and ordered by version. A git
    checkout gives a step for each commit that calls itself a fix. Other folders are versions of one thing, in the order
    given.

    Raises:
        UsageError: there is no such source, or nothing that has two versions.
        GatllmError: an archive is damaged, or git does not run.
    """
    archives, checkouts, folders = _sorted_out(sources)
    chains = [*_chains(archives), *([folders] if folders else [])]
    if not checkouts and not any(len(chain) > 1 for chain in chains):
        raise UsageError(
            f"{', '.join(map(str, sources))}: nothing in two versions",
            "name two releases of a package, a folder of them, two folders, or a git checkout",
        )
    for chain in chains:
        yield from _releases(chain)
    for root in checkouts:
        yield from _commits(root)


def _sorted_out(sources: Sequence[str]) -> tuple[list[Path], list[Path], list[_Release]]:
    archives: list[Path] = []
    checkouts: list[Path] = []
    folders: list[Path] = []
    for source in sources:
        path = Path(source)
        if path.is_file() and path.name.endswith(_ARCHIVES):
            archives.append(path)
        elif path.is_dir() and (path / ".git").exists():
            checkouts.append(path)
        elif path.is_dir():
            inside = sorted(one for one in path.iterdir() if one.name.endswith(_ARCHIVES) and one.is_file())
            archives += inside
            folders += [] if inside else [path]
        else:
            raise UsageError(f"no source {source!r}", "name archives, folders of archives, folders, or git checkouts")
    subject = folders[0].resolve().parent.name if folders else ""
    return archives, checkouts, [_Release(subject, one.resolve().name, str(one)) for one in folders]


def _chains(archives: Sequence[Path]) -> list[list[_Release]]:
    """Releases by package, oldest first; of a version with wheel and sdist, the wheel."""
    found: dict[str, dict[Version, Path]] = {}
    for path in sorted(archives, key=lambda path: (path.name.endswith(".whl"), path.name)):
        try:
            wheel = path.name.endswith(".whl")
            name, version = parse_wheel_filename(path.name)[:2] if wheel else parse_sdist_filename(path.name)
        except (InvalidWheelFilename, InvalidSdistFilename, ValueError):
            raise UsageError(f"{path.name} names no package and version", "keep the names that pip gives") from None
        found.setdefault(name, {})[version] = path
    return [
        [_Release(f"dist:{name}", str(version), str(path)) for version, path in sorted(versions.items())]
        for name, versions in sorted(found.items())
    ]


def _releases(chain: Sequence[_Release]) -> Iterator[Step]:
    before: dict[str, SourceFile] = {}
    for release, following in pairwise([None, *chain]):
        assert following is not None  # noqa: S101  # only the first is None
        now = {_inner(file, following): file for file in open_source(following.source) if file.problem is None}
        if release is not None:
            versions = f"{release.version}..{following.version}"
            changes = [
                Change(f"{following.subject}:{name}", versions, old, new, file.licence)
                for name, file in sorted(now.items())
                if name in before and (old := _text(before[name])) != (new := _text(file)) and old and new
            ]
            yield Step(following.subject, versions, tuple(changes))
        before = now


def _inner(file: SourceFile, release: _Release) -> str:
    """The path inside the package: without what differs from release to release."""
    name = file.origin.rpartition(":")[2]
    sdist = release.source.endswith(_ARCHIVES) and not release.source.endswith(".whl")
    parts = PurePosixPath(name).parts
    return "/".join(parts[1:]) if sdist and len(parts) > 1 else name


def _text(file: SourceFile) -> str:
    try:
        return decode(file.read())
    except (OSError, SyntaxError, ValueError, LookupError):
        return ""


def _commits(root: Path) -> Iterator[Step]:
    """Yield the commits whose message speaks of a fix, oldest first; merges repeat what was seen."""
    name, licence = root.resolve().name, of_folder(root)
    log = _git(root, "log", "--no-merges", "--reverse", "--diff-filter=M", "--no-ext-diff", "--no-textconv",
               "--no-renames", "--name-only", "-z", "--format=%x01%H%x02%s%x03").decode("utf-8", "replace")  # fmt: skip
    for entry in log.split("\1")[1:]:
        commit, _, rest = entry.partition("\2")
        subject, _, names = rest.partition("\3")
        paths = [path.strip("\n") for path in names.split("\0") if path.strip("\n").endswith(".py")]
        if not _FIXES.search(subject):
            continue
        versions = f"{commit[:12]}^..{commit[:12]}"
        changes = []
        for path in paths:
            old, new = (_blob(root, f"{side}:{path}") for side in (f"{commit}^", commit))
            if old and new and old != new:
                changes.append(Change(f"{name}:{path}", versions, old, new, licence))
        if changes:
            yield Step(name, versions, tuple(changes))


def _blob(root: Path, what: str) -> str:
    try:
        return decode(_git(root, "cat-file", "blob", what))
    except (GatllmError, SyntaxError, ValueError, LookupError):
        return ""


def _git(root: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run([*_GIT, "-C", str(root), *arguments], capture_output=True, check=True, timeout=600)
    except FileNotFoundError:
        raise GatllmError("reading a checkout's history needs git", "install git") from None
    except subprocess.SubprocessError as error:
        words = getattr(error, "stderr", b"") or b""
        first = words.decode("utf-8", "replace").strip().partition("\n")[0]
        raise GatllmError(
            f"git can't read {root}: {first or error}", "name a checkout with at least one commit"
        ) from None
    return done.stdout
