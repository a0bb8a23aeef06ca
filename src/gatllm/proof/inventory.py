"""Every file of a run with its hash, so that one flipped byte anywhere is caught and its file named."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from gatllm.errors import GatllmError
from gatllm.progress import Progress, Report, silent
from gatllm.proof.tensors import Layout, hash_tensor, read_layout, root_of
from gatllm.records import canonical_bytes, file_sha256, is_partial, merkle_root

# What is written after the proof, about the proof: it can't hold its own hash.
PROOF_FILE = "proof.json"
ENVELOPE_FILE = "proof.intoto.json"
TIMESTAMP_FILE = "proof.tsr"
SUBSTRATE_FILE = "proof.substrate.json"
_ABOUT_THE_PROOF = {PROOF_FILE, ENVELOPE_FILE, TIMESTAMP_FILE, SUBSTRATE_FILE}
_PARTS_OF_A_RUN = {"log.jsonl", "recipe.toml", "tokenizer.json", "plan.json", "checkpoints"}

_SMALL = 64 << 20  # a file that is looked into for what happened to it

# A plain file: {"size", "sha256"}. A safetensors file: {"size", "header", "tensors"}, the hash of the header and the
# Merkle root over the tensors, from which the weights root follows without reading the file a second time.
Entry = dict[str, int | str]


@dataclass(slots=True)
class Inventory:
    """The files of a run: their entries, and the weights root of each safetensors file."""

    entries: dict[str, Entry] = field(default_factory=dict)
    weights_roots: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Listing:
    """What lies in a run folder: the files that a proof covers, and what it passes over, each with the reason."""

    files: list[str] = field(default_factory=list)
    passed_over: dict[str, str] = field(default_factory=dict)


def list_files(run: Path, ignore: Sequence[str] = ()) -> Listing:
    """Return the files of ``run`` by their relative paths, sorted, and what is passed over.

    ``ignore`` names files and folders that don't belong to the run: a path from the run's root, or a bare name at any
    depth. What a run consists of is never ignored. Leftovers of interrupted writes and empty folders are passed over.

    Raises:
        GatllmError: something in the folder is neither a file nor a folder, a link for instance.
    """
    named = {name.rstrip("/") for name in ignore}
    found = Listing()
    for folder, subfolders, names in os.walk(run):
        here = Path(folder)
        if here != run and not subfolders and not names:
            found.passed_over[here.relative_to(run).as_posix() + "/"] = "an empty folder"
        for name in [*subfolders, *names]:
            path = here / name
            relative = path.relative_to(run).as_posix()
            if relative in _ABOUT_THE_PROOF:
                continue
            why = _passed_over(path, relative, named)
            if why:
                found.passed_over[relative + ("/" if name in subfolders else "")] = why
                subfolders[:] = [other for other in subfolders if other != name]
            elif path.is_symlink() or (name in names and not path.is_file()):
                raise GatllmError(f"{relative} is not a plain file", "a proof covers plain files only: replace it")
            elif name in names:
                found.files.append(relative)
    found.files.sort()
    return found


def _passed_over(path: Path, relative: str, named: set[str]) -> str:
    """Return why ``path`` is passed over, an empty string when it isn't."""
    if is_partial(path):
        return "left by an interrupted write"
    if relative.split("/", maxsplit=1)[0] in _PARTS_OF_A_RUN or path.suffix == ".safetensors":
        return ""
    return "ignored by name" if {relative, path.name} & named else ""


def hash_files(run: Path, names: Sequence[str], report: Report = silent) -> Inventory:
    """Hash each of ``names``, every byte once; files that are gone or can't be read are left out."""
    result = Inventory()
    done = 0
    # hashlib releases the interpreter's lock, so threads hash in parallel, large files tensor by tensor.
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        waiting = [(name, _submit(pool, run / name)) for name in names]
        for name, job in waiting:
            try:
                entry, root = job.result()
            except OSError:
                continue
            result.entries[name] = entry
            if root is not None:
                result.weights_roots[name] = root
            done += int(entry["size"])
            report(Progress("hash files", done, unit="bytes", note=name))
    return result


class _TensorJob:
    """One safetensors file of which the tensors are being hashed."""

    def __init__(self, pool: ThreadPoolExecutor, layout: Layout) -> None:
        self.layout = layout
        by_name = {tensor.name: tensor for tensor in layout.tensors}
        self.own = {name: pool.submit(hash_tensor, layout.path, tensor) for name, tensor in by_name.items()}
        self.shared = {
            alias: pool.submit(hash_tensor, layout.path, by_name[name], alias) for alias, name in layout.aliases.items()
        }

    def result(self) -> tuple[Entry, str | None]:
        own = {name: job.result() for name, job in self.own.items()}
        shared = {name: job.result() for name, job in self.shared.items()}
        tensors = root_of(own)
        entry: Entry = {"size": self.layout.size, "header": self.layout.header, "tensors": tensors}
        return entry, root_of(own | shared) if shared else tensors


def _submit(pool: ThreadPoolExecutor, path: Path) -> _TensorJob | Future[tuple[Entry, str | None]]:
    if path.suffix == ".safetensors":
        try:
            return _TensorJob(pool, read_layout(path))
        except (ValueError, OSError):
            pass  # a damaged one is hashed as plain bytes, which no proof of a whole one states
    return pool.submit(_plain, path)


def _plain(path: Path) -> tuple[Entry, str | None]:
    return {"size": path.stat().st_size, "sha256": file_sha256(path)}, None


def likely_cause(path: Path, expected: Entry) -> str:
    """Return what probably happened to a changed file, in words; an empty string when nothing is known."""
    try:
        with path.open("rb") as file:
            data = file.read(_SMALL + 1)
    except OSError:
        return ""
    if data.startswith(b"version https://git-lfs.github.com/spec/"):
        return " (a pointer of Git LFS: git lfs pull)"
    unix = data.replace(b"\r\n", b"\n")
    if len(data) <= _SMALL and unix != data and hashlib.sha256(unix).hexdigest() == expected.get("sha256"):
        return " (its line ends were made CRLF: git config core.autocrlf false, and check it out again)"
    return ""


def files_root(entries: dict[str, Entry]) -> str:
    """Return the Merkle root over the entries in the order of their names."""
    return merkle_root(canonical_bytes({"path": name, **entries[name]}) for name in sorted(entries))
