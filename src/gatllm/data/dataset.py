"""A dataset is a folder: ``manifest.json``, ``shards/NNNNN.jsonl`` and ``rejected.jsonl``."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from gatllm.data.manifest import FILE_NAME, Contributor, Kind, Manifest, Shard, read_manifest
from gatllm.errors import GatllmError, VerificationError
from gatllm.records import MerkleBuilder, canonical_bytes, file_sha256

SHARD_BYTES = 64 << 20
REJECTED = "rejected.jsonl"
# Canonical JSON has no lone surrogates and no integers beyond 2**53; records hold neither.
_ENCODING = "utf-8"


class Dataset:
    """A dataset folder opened for reading; nothing of it is loaded before it is asked for."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open a dataset folder.

        Raises:
            GatllmError: the folder is not a dataset, its manifest is damaged, or a shard is missing.
        """
        path = Path(path)
        manifest = read_manifest(path)
        for shard in manifest.shards:
            file = path / shard.name
            if not file.is_file():
                raise GatllmError(f"{path} has lost {shard.name}", "build the dataset again or fetch it anew")
        return cls(path, manifest)

    def __len__(self) -> int:
        return self.manifest.records

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the records in order.

        Raises:
            VerificationError: a line is not a JSON object; the message names the shard and line.
        """
        for shard in self.manifest.shards:
            with (self.path / shard.name).open("rb") as file:
                for number, line in enumerate(file, 1):
                    try:
                        record = json.loads(line)
                    except ValueError:
                        record = None
                    if not isinstance(record, dict):
                        raise VerificationError(f"{shard.name} line {number} is damaged", "see `gatllm data show`")
                    yield record

    def rejected(self) -> Iterator[dict[str, Any]]:
        """Yield what was left out and why (``origin``, ``reasons``)."""
        file = self.path / REJECTED
        if file.is_file():
            with file.open(encoding=_ENCODING) as lines:
                for number, line in enumerate(lines, 1):
                    try:
                        yield json.loads(line)
                    except ValueError:
                        raise VerificationError(f"{REJECTED} line {number} is damaged", "build it again") from None

    def verify(self) -> None:
        """Recompute every shard's hash and the Merkle root from the bytes on the disk.

        Raises:
            VerificationError: something differs from the manifest; the message names the shard.
        """
        builder = MerkleBuilder()
        for shard in self.manifest.shards:
            file = self.path / shard.name
            if not file.is_file():
                raise VerificationError(f"{shard.name} is missing")
            if file_sha256(file) != shard.sha256:
                raise VerificationError(f"{shard.name} does not match its hash in {FILE_NAME}")
            before = builder.size
            with file.open("rb") as lines:
                for line in lines:
                    builder.add(line.rstrip(b"\n"))
            if builder.size - before != shard.records:
                raise VerificationError(f"{shard.name} holds {builder.size - before} records, not {shard.records}")
        if builder.size != self.manifest.records or builder.root() != self.manifest.merkle_root:
            raise VerificationError(f"the Merkle root of the shards is not the one in {FILE_NAME}")


class DatasetWriter:
    """Writes records into a (temporary) folder; `finish` adds the manifest and makes it a dataset.

    Use it inside `records.new_folder`, so that the dataset appears whole or not at all.
    """

    def __init__(self, folder: Path, kind: Kind, name: str, *, shard_bytes: int = SHARD_BYTES) -> None:
        self._folder = folder
        self.kind: Kind = kind
        self._name = name
        self._shard_bytes = shard_bytes
        self._merkle = MerkleBuilder()
        self._shards: list[Shard] = []
        self._licences: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        (folder / "shards").mkdir(parents=True, exist_ok=True)
        self._rejected = (folder / REJECTED).open("wb")
        self._open_shard()

    def _open_shard(self) -> None:
        self._shard_name = f"shards/{len(self._shards):05d}.jsonl"
        self._shard = (self._folder / self._shard_name).open("wb")
        self._shard_hash = hashlib.sha256()
        self._shard_size = self._shard_records = 0

    def _close_shard(self) -> None:
        self._shard.close()
        self._shards.append(
            Shard(
                name=self._shard_name,
                records=self._shard_records,
                bytes=self._shard_size,
                sha256=self._shard_hash.hexdigest(),
            )
        )

    def __len__(self) -> int:
        return self._merkle.size

    def add(self, record: dict[str, Any]) -> None:
        """Append one record.

        Raises:
            GatllmError: it has no canonical JSON form (a lone surrogate, NaN).
        """
        line = canonical_bytes(record)
        if self._shard_size and self._shard_size + len(line) > self._shard_bytes:
            self._close_shard()
            self._open_shard()
        self._merkle.add(line)
        line += b"\n"
        self._shard.write(line)
        self._shard_hash.update(line)
        self._shard_size += len(line)
        self._shard_records += 1
        self._licences[str(record.get("licence", "NOASSERTION"))] += 1

    def reject(self, origin: str, reasons: list[dict[str, Any]]) -> None:
        """Note that ``origin`` was left out, and why; the first reason's ``rule`` is counted in the manifest."""
        self._reasons[str(reasons[0].get("rule", "unknown")) if reasons else "unknown"] += 1
        line = json.dumps({"origin": origin, "reasons": reasons}, ensure_ascii=True)
        self._rejected.write(line.encode() + b"\n")

    def finish(
        self,
        *,
        sources: list[str] | None = None,
        contributor: Contributor | None = None,
        parent: str | None = None,
        stages: list[str] | None = None,
        made_with: dict[str, Any] | None = None,
    ) -> Manifest:
        """Close the shards and write the manifest."""
        self._close_shard()
        self._rejected.close()
        manifest = Manifest(
            kind=self.kind,
            name=self._name,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            records=self._merkle.size,
            merkle_root=self._merkle.root(),
            shards=tuple(self._shards),
            sources=tuple(sources or ()),
            licences=dict(sorted(self._licences.items())),
            accepted=self._merkle.size,
            rejected=dict(sorted(self._reasons.items())),
            contributor=contributor or Contributor(),
            parent=parent,
            stages=tuple(stages or ()),
            made_with=made_with or {},
        )
        (self._folder / FILE_NAME).write_text(manifest.model_dump_json(indent=2) + "\n", encoding=_ENCODING)
        return manifest

    def close(self) -> None:
        """Close the files without finishing."""
        self._shard.close()
        self._rejected.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
