"""Tokens of a dataset in memory-mapped files: a checked header, the tokens, a mask, where each document begins.

Layout of one file, little-endian: 96 bytes of header (magic, version, bytes of a token, flags, number of tokens and of
documents, SHA-256 of the tokenizer, zeros), the tokens, one byte a token of mask when a flag says so, and the offset
of each document and of the end as 64-bit numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from gatllm.errors import GatllmError, VerificationError
from gatllm.records import file_sha256, write_file

MAGIC = b"GATLLM\r\n"  # a transfer that changes line ends is found at once
VERSION = 1
INDEX = "tokens.json"
_HEADER = struct.Struct("<8sIHHQQ32s32x")
_MASKED = 1
SHARD_TOKENS = 1 << 26

Tokens = NDArray[np.uint16] | NDArray[np.uint32]


class ShardInfo(BaseModel):
    """One file of the index."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    tokens: int
    documents: int
    sha256: str


class Index(BaseModel):
    """The content of ``tokens.json``; ``data`` is the Merkle root of the dataset that was tokenized."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    tokenizer: str
    vocabulary: int
    data: str = ""
    masked: bool = False
    shards: tuple[ShardInfo, ...]


class ShardWriter:
    """Writes documents as token files into a (temporary) folder; `finish` adds the index.

    Args:
        folder: where the files go.
        tokenizer: the tokenizer's fingerprint.
        vocabulary: its number of ids; below 65,537 a token takes two bytes.
        masked: whether each token comes with a mark that it is to be learnt.
        shard_tokens: a new file begins when one holds so many.
    """

    def __init__(
        self, folder: Path, tokenizer: str, vocabulary: int, *, masked: bool = False, shard_tokens: int = SHARD_TOKENS
    ) -> None:
        self._folder, self._tokenizer, self._vocabulary, self._masked = folder, tokenizer, vocabulary, masked
        self._limit = shard_tokens
        self._type: Any = np.uint16 if vocabulary <= 1 << 16 else np.uint32
        self._shards: list[ShardInfo] = []
        self._file: BinaryIO | None = None

    def _open(self) -> BinaryIO:
        self._name = f"{len(self._shards):05d}.tokens"
        file = (self._folder / self._name).open("wb")
        file.write(bytes(_HEADER.size))
        self._masks: list[NDArray[np.uint8]] = []
        self._offsets = [0]
        return file

    def add(self, ids: Sequence[int], mask: Sequence[bool] | None = None) -> None:
        """Append one document.

        Raises:
            ValueError: an id is outside the vocabulary, or the mask has another length.
        """
        if len(ids) and not 0 <= min(ids) <= max(ids) < self._vocabulary:
            raise ValueError(f"an id is outside the vocabulary of {self._vocabulary}")
        if self._masked and (mask is None or len(mask) != len(ids)):
            raise ValueError("each token needs a mark")
        if self._file is None:
            self._file = self._open()
        self._file.write(np.asarray(ids, dtype=self._type).tobytes())
        if self._masked:
            self._masks.append(np.asarray(mask, dtype=np.uint8))
        self._offsets.append(self._offsets[-1] + len(ids))
        if self._offsets[-1] >= self._limit:
            self._close()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        with file:
            for mask in self._masks:
                file.write(mask.tobytes())
            file.write(np.asarray(self._offsets, dtype="<u8").tobytes())
            file.seek(0)
            flags = _MASKED if self._masked else 0
            width = np.dtype(self._type).itemsize
            key = bytes.fromhex(self._tokenizer)
            count = len(self._offsets) - 1
            file.write(_HEADER.pack(MAGIC, VERSION, width, flags, self._offsets[-1], count, key))
        path = self._folder / self._name
        info = ShardInfo(name=self._name, tokens=self._offsets[-1], documents=count, sha256=file_sha256(path))
        self._shards.append(info)

    def finish(self, data: str = "") -> Index:
        """Close the files and write the index."""
        self._close()
        index = Index(
            tokenizer=self._tokenizer,
            vocabulary=self._vocabulary,
            data=data,
            masked=self._masked,
            shards=tuple(self._shards),
        )
        write_file(self._folder / INDEX, index.model_dump_json(indent=1) + "\n")
        return index

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


class Shards:
    """A folder of token files, memory-mapped as one row of tokens."""

    def __init__(self, path: Path, index: Index) -> None:
        self.path, self.index = path, index
        self._tokens: list[Tokens] = []
        self._masks: list[NDArray[np.uint8] | None] = []
        offsets: list[NDArray[np.int64]] = []
        self._starts = [0]
        for shard in index.shards:
            tokens, mask, own = _map(path / shard.name, shard, index)
            self._tokens.append(tokens)
            self._masks.append(mask)
            offsets.append(own[:-1].astype(np.int64) + self._starts[-1])
            self._starts.append(self._starts[-1] + len(tokens))
        self.documents = np.concatenate([*offsets, np.array([self._starts[-1]], dtype=np.int64)])

    @classmethod
    def open(cls, path: Path | str, tokenizer: str | None = None) -> Self:
        """Open a folder of token files.

        Args:
            path: the folder.
            tokenizer: the fingerprint of the tokenizer that will be used with them.

        Raises:
            GatllmError: there is no index, or it was made with another tokenizer.
            VerificationError: a file's header or size is wrong; the message names it.
        """
        path = Path(path)
        try:
            index = Index.model_validate_json((path / INDEX).read_bytes())
        except (OSError, ValidationError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is damaged"
            raise GatllmError(f"can't read {path / INDEX}: {reason}", "make the token files again") from None
        if tokenizer is not None and tokenizer != index.tokenizer:
            raise GatllmError(f"{path} was made with another tokenizer", "make the token files again with this one")
        return cls(path, index)

    def __len__(self) -> int:
        """Return the number of tokens."""
        return self._starts[-1]

    def read(self, start: int, count: int, *, wrap: bool = False) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return ``count`` tokens from ``start`` on, and which of them are to be learnt (all, without a mask).

        With ``wrap`` the row continues at the beginning; otherwise it may be shorter at the end.
        """
        ids: list[NDArray[np.int64]] = []
        marks: list[NDArray[np.bool_]] = []
        while count > 0 and len(self):
            if start >= len(self):
                if not wrap:
                    break
                start %= len(self)
            shard = int(np.searchsorted(self._starts, start, side="right")) - 1
            first = start - self._starts[shard]
            piece = self._tokens[shard][first : first + count]
            mask = self._masks[shard]
            ids.append(piece.astype(np.int64))
            marks.append(np.ones(len(piece), bool) if mask is None else mask[first : first + count].astype(bool))
            start, count = start + len(piece), count - len(piece)
        if not ids:
            return np.zeros(0, np.int64), np.zeros(0, bool)
        return np.concatenate(ids), np.concatenate(marks)

    def document(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the tokens of one document, and which of them are to be learnt.

        Raises:
            IndexError: there is no such document.
        """
        if not 0 <= number < len(self.documents) - 1:
            raise IndexError(f"document {number} of {len(self.documents) - 1}")
        start, end = int(self.documents[number]), int(self.documents[number + 1])
        return self.read(start, end - start)

    def __iter__(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
        return (self.document(number) for number in range(len(self.documents) - 1))

    def verify(self) -> None:
        """Hash every file.

        Raises:
            VerificationError: one differs from the index; the message names it.
        """
        for shard in self.index.shards:
            if file_sha256(self.path / shard.name) != shard.sha256:
                raise VerificationError(f"{shard.name} does not match its hash in {INDEX}")


def _map(path: Path, shard: ShardInfo, index: Index) -> tuple[Tokens, NDArray[np.uint8] | None, NDArray[np.uint64]]:
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER.size)
        size = path.stat().st_size
    except OSError as error:
        raise VerificationError(f"can't read {path.name}: {error.strerror}", "make the token files again") from None
    if len(head) < _HEADER.size or head[:8] != MAGIC:
        raise VerificationError(f"{path.name} is not a token file", "make the token files again")
    _, version, width, flags, tokens, documents, tokenizer = _HEADER.unpack(head)
    if version != VERSION:
        raise VerificationError(f"{path.name} has version {version}, not {VERSION}", "make the token files again")
    expected = _HEADER.size + tokens * width + (tokens if flags & _MASKED else 0) + 8 * (documents + 1)
    told = (tokens, documents, tokenizer.hex(), bool(flags & _MASKED))
    if width not in {2, 4} or size != expected or told != (
        shard.tokens, shard.documents, index.tokenizer, index.masked,
    ):  # fmt: skip
        raise VerificationError(f"{path.name} is cut off or not the one in {INDEX}", "make the token files again")
    raw = np.memmap(path, dtype=np.uint8, mode="r")
    end = _HEADER.size + tokens * width
    row: Any = raw[_HEADER.size : end].view("<u2" if width == 2 else "<u4")
    mask = raw[end : end + tokens] if flags & _MASKED else None
    offsets = np.frombuffer(raw[size - 8 * (documents + 1) :].tobytes(), dtype="<u8")
    if len(offsets) != documents + 1 or offsets[-1] != tokens or np.any(np.diff(offsets.astype(np.int64)) < 0):
        raise VerificationError(f"{path.name}: its documents are out of order", "make the token files again")
    return row, mask, offsets
