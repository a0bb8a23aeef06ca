"""The datasets behind a run: their roots computed again from the records, and who contributed them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gatllm.errors import GatllmError
from gatllm.progress import Progress, Report, silent
from gatllm.records import MerkleBuilder, file_sha256, merkle_root

_SUMMARY = ("name", "kind", "records", "merkle_root", "licences", "contributor", "parent", "stages", "cid")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return a dataset's manifest.

    Raises:
        GatllmError: the manifest is missing or damaged.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
    except (OSError, ValueError):
        raise GatllmError(f"{folder} is not a dataset", "name a folder that holds a manifest.json") from None
    if not isinstance(manifest, dict):
        raise GatllmError(f"the manifest of {folder} is damaged", "build or fetch the dataset again")
    return manifest


def dataset_root(folder: Path, report: Report = silent) -> str:
    """Return the Merkle root over the records as they lie in the shards, one line each, in order.

    A plain text file has the SHA-256 of its bytes instead.
    """
    if folder.is_file():
        return file_sha256(folder)
    builder = MerkleBuilder()
    for shard in sorted((folder / "shards").glob("*.jsonl")):
        with shard.open("rb") as lines:
            for line in lines:
                builder.add(line.rstrip(b"\n"))
        report(Progress("hash records", builder.size, unit="records", note=shard.name))
    return builder.root()


def data_root(roots: Sequence[str]) -> str:
    """Return what a run on these datasets commits to: the root of the only one, else the root over all, in order."""
    return roots[0] if len(roots) == 1 else merkle_root(bytes.fromhex(root) for root in roots)


def summarise(folder: Path) -> dict[str, Any]:
    """Return what a proof says about a dataset: the hash of its manifest, its root, its contributors."""
    if folder.is_file():
        return {"name": folder.name, "kind": "text", "merkle_root": file_sha256(folder)}
    manifest = read_manifest(folder)
    known = {name: manifest[name] for name in _SUMMARY if name in manifest}
    return {"manifest": file_sha256(folder / "manifest.json"), **known}
