"""Every file of a run with its hash, so that one flipped byte anywhere is caught and its file named."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gatllm.errors import GatllmError
from gatllm.progress import Progress, Report, silent
from gatllm.records import canonical_bytes, file_sha256, is_partial, merkle_root

# What is written after the proof, about the proof: it can't hold its own hash.
PROOF_FILE = "proof.json"
ENVELOPE_FILE = "proof.intoto.json"
TIMESTAMP_FILE = "proof.tsr"
_ABOUT_THE_PROOF = {PROOF_FILE, ENVELOPE_FILE, TIMESTAMP_FILE}

Entry = dict[str, Any]  # {"size": bytes, "sha256": 64 hexadecimal digits}


def list_files(run: Path) -> list[str]:
    """Return the paths of the files of ``run``, relative and sorted; leftovers of interrupted writes don't count.

    Raises:
        GatllmError: something in the folder is neither a file nor a folder, a link for instance.
    """
    found: list[str] = []
    for folder, subfolders, names in os.walk(run):
        here = Path(folder)
        subfolders[:] = [name for name in subfolders if not is_partial(here / name)]
        for name in [*names, *(sub for sub in subfolders if (here / sub).is_symlink())]:
            path = here / name
            relative = path.relative_to(run).as_posix()
            if is_partial(path) or relative in _ABOUT_THE_PROOF:
                continue
            if path.is_symlink() or not path.is_file():
                raise GatllmError(f"{relative} is not a plain file", "a proof covers plain files only: replace it")
            found.append(relative)
    return sorted(found)


def hash_files(run: Path, names: list[str], report: Report = silent) -> dict[str, Entry]:
    """Return size and SHA-256 of each of ``names``; files that are gone or can't be read are left out."""

    def one(name: str) -> Entry | None:
        path = run / name
        try:
            return {"size": path.stat().st_size, "sha256": file_sha256(path)}
        except OSError:
            return None

    hashed: dict[str, Entry] = {}
    done = 0
    # hashlib releases the interpreter's lock, so threads hash in parallel; large files first fill the cores best.
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for name, entry in zip(names, pool.map(one, names), strict=True):
            if entry is not None:
                hashed[name] = entry
                done += entry["size"]
            report(Progress("hash files", done, unit="bytes", note=name))
    return hashed


def files_root(entries: dict[str, Entry]) -> str:
    """Return the Merkle root over the entries in the order of their names."""
    return merkle_root(canonical_bytes({"path": name, **entries[name]}) for name in sorted(entries))
