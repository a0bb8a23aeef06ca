"""The index of some datasets as a folder: built in one pass, then mapped into memory, so that opening it reads nothing.

Everything in it is computed from the datasets and named by their Merkle roots; it can be deleted at any time.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatllm.answering.library.fingerprints import Fingerprints, winnow
from gatllm.answering.library.rarity import ORDER, Rarity
from gatllm.answering.library.tokens import KINDS, Kind, Tokens, tokenize
from gatllm.answering.library.words import WordCounts, WordIndex, count_words, split_words
from gatllm.data import Dataset
from gatllm.errors import GatllmError, VerificationError
from gatllm.progress import Progress, Report
from gatllm.records import digest, leaf_hash, merkle_levels, new_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMAT = 2  # raise it when what is stored, or how it is computed, changes
_BATCH = 1 << 20  # bytes of text that are worked on at once: arrays that stay near the processor
_MOST_PLACES: dict[Kind, tuple[int, ...]] = {
    "verbatim": (1 << 20, 1 << 23, 1 << 24),
    "structure": (1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 23),
}
_DAMAGED = "remove it; it is built anew from the datasets"


@dataclass(frozen=True)
class IndexedDataset:
    """One dataset: what its manifest says, and where the hashes of its records begin in the file of all hashes."""

    name: str
    path: str
    kind: str
    merkle_root: str
    contributor: str
    wallet: str
    records: int
    levels: tuple[tuple[int, int], ...] = field(default=(), repr=False)


def store_folder() -> Path:
    """Return where indexes are kept: ``gatllm/libraries`` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "gatllm" / "libraries"


def index_folder(datasets: Sequence[Dataset], folder: Path | None) -> Path:
    """Return where the index of these datasets is, or will be."""
    roots = [dataset.manifest.merkle_root for dataset in datasets]
    return (folder or store_folder()) / digest({"roots": roots, "format": FORMAT})[:24]


def write_index(datasets: Sequence[Dataset], place: Path, report: Report) -> None:
    """Build the index of some datasets.

    Raises:
        GatllmError: they hold no records, or the folder can't be written.
        VerificationError: a record is damaged.
    """
    shutil.rmtree(place, ignore_errors=True)
    with new_folder(place) as temporary:
        _Builder(datasets, temporary, report).run()


class _Builder:
    """Reads the records in batches and collects what each index needs."""

    def __init__(self, datasets: Sequence[Dataset], folder: Path, report: Report) -> None:
        self.datasets, self.folder, self.report = datasets, folder, report
        self.documents: list[tuple[int, int, int, int, int]] = []  # start, end, dataset, leaf, checksum
        self.passages: list[NDArray[np.int64]] = []  # rows of document, start, end
        self.passage_count = 0
        self.prints: dict[Kind, list[Any]] = {kind: [] for kind in KINDS}
        self.words: list[WordCounts] = []
        total = sum(shard.bytes for dataset in datasets for shard in dataset.manifest.shards)
        self.total = total
        self.rarities = {kind: Rarity.empty([_size(total, most) for most in _MOST_PLACES[kind]]) for kind in KINDS}

    def run(self) -> None:
        import numpy as np

        described, hashes, at = [], [], 0
        with (self.folder / "text.bin").open("wb") as text, (self.folder / "records.bin").open("wb") as records:
            places, batch, begin = [0], bytearray(), 0
            for number, dataset in enumerate(self.datasets):
                leaves = []
                for leaf, (line, record) in enumerate(_lines(dataset)):
                    leaves.append(leaf_hash(line))
                    data = _text(record).encode("utf-8", "surrogatepass").replace(b"\0", b" ")
                    start = begin + len(batch)
                    self.documents.append((start, start + len(data), number, leaf, zlib.crc32(data)))
                    batch += data + b"\0"
                    kept = [str(record.get(name, "")) for name in ("id", "origin", "licence")]
                    places.append(places[-1] + records.write(json.dumps(kept).encode()))
                    if len(batch) >= _BATCH:
                        text.write(batch)
                        self._index(bytes(batch), begin)
                        begin, batch = begin + len(batch), bytearray()
                levels = merkle_levels(leaves)
                described.append(_describe(dataset, levels, at))
                at += sum(map(len, levels))
                hashes += [hashed for level in levels for hashed in level]
            text.write(batch)
            self._index(bytes(batch), begin)
        if not self.documents:
            raise GatllmError("the datasets hold no records", "build one with `gatllm data build`")
        (self.folder / "hashes.bin").write_bytes(b"".join(hashes))
        self.report(Progress("indexing the datasets", 99, 100, "%", "sorting"))
        index = WordIndex.build(self.words, self.passage_count)
        arrays: dict[str, Any] = {
            "documents": np.array(self.documents, np.int64),
            "records": np.array(places, np.int64),
            "passages": np.concatenate(self.passages),
            "word-first": index.first,
            "word-passages": index.passages,
            "word-weights": index.weights,
        }
        for kind in KINDS:
            merged = Fingerprints.merge(self.prints[kind])
            arrays |= {f"{kind}-hashes": merged.hashes, f"{kind}-passages": merged.passages}
            arrays |= {f"{kind}-counts-{width}": table for width, table in enumerate(self.rarities[kind].tables, 1)}
        for name, array in arrays.items():
            np.save(self.folder / f"{name}.npy", array, allow_pickle=False)
        sizes = {path.name: path.stat().st_size for path in sorted(self.folder.iterdir())}
        whole = {"format": FORMAT, "datasets": [asdict(each) for each in described], "sizes": sizes}
        (self.folder / "index.json").write_text(json.dumps(whole), encoding="utf-8")

    def _index(self, batch: bytes, begin: int) -> None:
        """Add the documents of one batch, which begins at byte ``begin`` of the text."""
        import numpy as np

        if not batch:
            return
        first = _first_at(self.documents, begin)
        starts = np.array([document[0] - begin for document in self.documents[first:]], np.int64)
        streams = tokenize(batch)
        opened = self._passages(batch, begin, starts, first, _headers(batch, streams["verbatim"]))
        for kind, tokens in streams.items():
            of = np.searchsorted(opened, tokens.starts, "right") - 1 + self.passage_count
            self.prints[kind].append(winnow(tokens.hashes, of.astype(np.int32), kind))
            self.rarities[kind].add(tokens.hashes)
        self.passage_count += len(opened)
        self.report(Progress("indexing the datasets", min(98, 98 * begin // max(self.total, 1)), 100, "%"))

    def _passages(
        self, batch: bytes, begin: int, starts: NDArray[np.int64], first: int, headers: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Cut documents into passages, count their words, and return where in the batch the passages begin."""
        import numpy as np

        opened = np.concatenate([starts, headers[:, 0]])
        header_ends = np.concatenate([starts, headers[:, 1]])
        order = np.lexsort((header_ends, opened))
        opened, header_ends = opened[order], header_ends[order]
        single = np.concatenate(
            [opened[1:] != opened[:-1], [True]]
        )  # a document that begins with a header is one passage
        opened, header_ends = opened[single], header_ends[single]
        ends = np.concatenate([opened[1:], [len(batch)]])
        document = np.searchsorted(starts, opened, "right") - 1
        self.passages.append(np.stack([document + first, opened + begin, ends + begin], 1))
        words = split_words(batch)
        at = np.searchsorted(opened, words.starts, "right") - 1
        in_header = words.starts < header_ends[at]
        self.words.append(count_words(words, (at + self.passage_count).astype(np.int32), in_header))
        return np.asarray(opened, np.int64)


def _headers(batch: bytes, tokens: Tokens) -> NDArray[np.int64]:
    """Return where the lines that open a function or class begin and end, shape ``(headers, 2)``."""
    import numpy as np

    words = tokenize(b"def class async")["verbatim"].hashes
    at = np.flatnonzero((tokens.hashes == words[0]) | (tokens.hashes == words[1]))
    breaks = np.concatenate([[-1], np.flatnonzero(np.frombuffer(batch, np.uint8) == 10), [len(batch)]])
    line = np.searchsorted(breaks, tokens.starts[at])
    ahead = at - np.searchsorted(tokens.starts, breaks[line - 1] + 1)  # tokens of the line before the word
    is_first = (ahead == 0) | ((ahead == 1) & (tokens.hashes[at - 1] == words[2]))
    line = line[is_first]
    return np.stack([breaks[line - 1] + 1, breaks[line]], 1)


def _size(total: int, most: int) -> int:
    return min(most, max(1 << 14, 1 << (total // 8).bit_length()))


def _first_at(documents: list[tuple[int, int, int, int, int]], begin: int) -> int:
    low, high = 0, len(documents)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if documents[middle][0] < begin else (low, middle)
    return low


def _lines(dataset: Dataset) -> Iterator[tuple[bytes, dict[str, Any]]]:
    for shard in dataset.manifest.shards:
        with (dataset.path / shard.name).open("rb") as file:
            for number, raw in enumerate(file, 1):
                line = raw.rstrip(b"\n")
                try:
                    record = json.loads(line)
                except ValueError:
                    record = None
                if not isinstance(record, dict):
                    raise VerificationError(f"{shard.name} line {number} is damaged", "build the dataset again")
                yield line, record


def _text(record: dict[str, Any]) -> str:
    text = record.get("text")
    if not isinstance(text, str):
        text = "\n\n".join(str(message.get("content", "")) for message in record.get("messages", ()))
    return text


def _describe(dataset: Dataset, levels: list[list[bytes]], at: int) -> IndexedDataset:
    manifest = dataset.manifest
    places = []
    for level in levels:
        places.append((at, len(level)))
        at += len(level)
    return IndexedDataset(
        name=manifest.name,
        path=str(dataset.path),
        kind=manifest.kind,
        merkle_root=manifest.merkle_root,
        contributor=manifest.contributor.name,
        wallet=manifest.contributor.wallet,
        records=len(levels[0]) if levels else 0,
        levels=tuple(places),
    )


class Index:
    """An index folder, mapped into memory.

    Raises:
        GatllmError: it is damaged.
        FileNotFoundError: there is none.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        whole = json.loads((place / "index.json").read_bytes())
        if whole["format"] != FORMAT:
            raise ValueError("another format")
        for name, size in whole["sizes"].items():
            if (place / name).stat().st_size != size:
                raise ValueError(f"{name} is cut off")
        self.datasets = [
            IndexedDataset(**{**each, "levels": tuple(map(tuple, each["levels"]))}) for each in whole["datasets"]
        ]
        self.documents = self._array("documents")
        self.passages = self._array("passages")
        self._records = self._array("records")
        self._text = self._bytes("text.bin")
        self._record_bytes = self._bytes("records.bin")
        self._hashes = self._bytes("hashes.bin")
        self.words = WordIndex(
            self._array("word-first"), self._array("word-passages"), self._array("word-weights"), len(self.passages)
        )
        self.prints = {
            kind: Fingerprints(self._array(f"{kind}-hashes"), self._array(f"{kind}-passages")) for kind in KINDS
        }
        self.rarities = {
            kind: Rarity([self._array(f"{kind}-counts-{width}") for width in range(1, ORDER[kind] + 1)])
            for kind in KINDS
        }

    def _array(self, name: str) -> Any:
        import numpy as np

        return np.load(self.place / f"{name}.npy", mmap_mode="r", allow_pickle=False)

    def _bytes(self, name: str) -> Any:
        import numpy as np

        empty = not (self.place / name).stat().st_size  # an empty file can't be mapped
        return np.empty(0, np.uint8) if empty else np.memmap(self.place / name, np.uint8, "r")

    def slice(self, start: int, end: int) -> bytes:
        """Return bytes ``start`` to ``end`` of the text."""
        return bytes(self._text[start:end])

    def text(self, document: int) -> bytes:
        """Return the text of a document.

        Raises:
            GatllmError: it is not what was indexed.
        """
        start, end, _, _, checksum = self.documents[document].tolist()
        data = self.slice(start, end)
        if zlib.crc32(data) != checksum:
            raise GatllmError(f"the index in {self.place} is damaged", _DAMAGED)
        return data

    def record(self, document: int) -> tuple[str, str, str]:
        """Return id, origin and licence of a document."""
        start, end = self._records[document : document + 2].tolist()
        name, origin, licence = json.loads(bytes(self._record_bytes[start:end]))
        return name, origin, licence or "NOASSERTION"

    def proof(self, dataset: IndexedDataset, leaf: int) -> list[str]:
        """Return the path from a record's hash to the Merkle root of its dataset (RFC 6962)."""
        path = []
        for start, count in dataset.levels:
            if leaf ^ 1 < count:
                at = 32 * (start + (leaf ^ 1))
                path.append(bytes(self._hashes[at : at + 32]).hex())
            leaf //= 2
        return path


def open_index(datasets: Sequence[Dataset], folder: Path | None, report: Report) -> Index:
    """Return the index of some datasets, built where there is none or what is there is damaged.

    Raises:
        GatllmError: the datasets hold no records, or the folder can't be written.
        VerificationError: a record is damaged.
    """
    place = index_folder(datasets, folder)
    try:
        return Index(place)
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        write_index(datasets, place, report)
        return Index(place)
