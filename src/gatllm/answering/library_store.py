"""Keeps the indexes of a library on the disk: building them takes ten seconds, reading them a fraction of one.

Everything in the store is computed from the datasets and named by their Merkle roots; it can be deleted at any time.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gatllm.answering.library import Document, Entry, Library, Volume, read_documents
from gatllm.answering.similarity import SimilarityIndex
from gatllm.answering.spans import SpanIndex
from gatllm.data import Dataset
from gatllm.progress import Report, silent
from gatllm.records import digest, new_folder

_FORMAT = 1  # raise it when what is stored, or how it is computed, changes


def store_folder() -> Path:
    """Return where indexes are kept: ``gatllm/libraries`` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "gatllm" / "libraries"


def open_library(
    datasets: Sequence[Dataset | Path | str], folder: Path | None = None, *, report: Report = silent
) -> Library:
    """Return the library of some datasets with all its indexes, from the store where it has been built before.

    Raises:
        GatllmError: a folder is no dataset, all of them are empty, or the store can't be written.
        VerificationError: a record is damaged.
    """
    volumes, documents = read_documents(datasets)
    roots = [volume.merkle_root for volume in volumes]
    place = (folder or store_folder()) / digest({"roots": roots, "format": _FORMAT})[:24]
    kept = _read(place, volumes, documents)
    if kept is not None:
        return kept
    library = Library.build(datasets, report=report)
    library.warm(report)
    shutil.rmtree(place, ignore_errors=True)
    with new_folder(place) as temporary:
        _write(library, temporary)
    return library


def _write(library: Library, folder: Path) -> None:
    import numpy as np

    index = library.similarity
    arrays: dict[str, Any] = {
        "verbatim": library.verbatim.array,
        "structure": library.structure.array,
        "shapes": np.frombuffer(b"\0".join(library.shapes), dtype=np.uint8),
        "groups": index.groups,
        "data": index.items.data,
        "indices": index.items.indices,
        "indptr": index.items.indptr,
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    entries = [[entry.document, entry.name, entry.line, entry.docstring] for entry in library.entries]
    (folder / "library.json").write_text(
        json.dumps({"entries": entries, "vocabulary": list(index.vocabulary)}), encoding="utf-8"
    )


def _read(folder: Path, volumes: list[Volume], documents: list[Document]) -> Library | None:
    """Return the stored library, or None where there is none or it is damaged."""
    import numpy as np
    from scipy.sparse import csr_array

    try:
        stored = json.loads((folder / "library.json").read_bytes())
        arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in ("verbatim", "structure", "shapes", "groups", "data", "indices", "indptr")
        }
        entries = [Entry(document, name, line, docstring, "") for document, name, line, docstring in stored["entries"]]
        vocabulary = {word: at for at, word in enumerate(stored["vocabulary"])}
        items = csr_array(
            tuple(np.array(arrays[name]) for name in ("data", "indices", "indptr")),
            shape=(len(entries), len(vocabulary)),
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None
    library = Library(volumes, documents, entries)
    # What is set here takes the place of what the properties would compute.
    library.shapes = arrays["shapes"].tobytes().split(b"\0")
    library.similarity = SimilarityIndex(vocabulary, items, np.array(arrays["groups"]))
    library.verbatim = SpanIndex(
        [document.text.encode("utf-8", "surrogatepass") for document in documents], arrays["verbatim"]
    )
    library.structure = SpanIndex(library.shapes, arrays["structure"])
    return library
