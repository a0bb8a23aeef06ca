"""The datasets behind the answers, opened for search: what is near a text, and where its pieces occur."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from gatllm.answering.similarity import SimilarityIndex
from gatllm.answering.spans import SpanIndex, shape
from gatllm.data import Dataset
from gatllm.data.functions import parse
from gatllm.errors import GatllmError, VerificationError
from gatllm.progress import Progress, Report, silent
from gatllm.records import inclusion_proof, leaf_hash


@dataclass(frozen=True, slots=True)
class Document:
    """One record of a dataset: its text and where it stands."""

    dataset: int
    leaf: int
    record_id: str
    origin: str
    licence: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """A piece of a document that a question can be about: a function, or the document as a whole.

    ``about`` is what it is searched by: name, docstring and the names it uses; ``docstring`` is '' without one.
    """

    document: int
    name: str
    line: int
    docstring: str
    about: str = field(repr=False)


@dataclass(frozen=True)
class Volume:
    """One dataset: what its manifest says and the hashes of its records."""

    name: str
    path: str
    kind: str
    merkle_root: str
    contributor: str
    wallet: str
    leaf_hashes: list[bytes] = field(repr=False)

    def proof(self, leaf: int) -> list[str]:
        """Return the path that proves record ``leaf`` to be under the Merkle root (RFC 6962)."""
        return inclusion_proof(self.leaf_hashes, leaf)


class Library:
    """All records of some datasets. The indexes are built when they are first asked for."""

    def __init__(self, volumes: Sequence[Volume], documents: Sequence[Document], entries: Sequence[Entry]) -> None:
        self.volumes = list(volumes)
        self.documents = list(documents)
        self.entries = list(entries)

    @classmethod
    def build(cls, datasets: Sequence[Dataset | Path | str], *, report: Report = silent) -> Self:
        """Read datasets of any kind; see `library_store.open_library` for one that is quick the second time.

        Raises:
            GatllmError: a folder is no dataset, or all of them are empty.
            VerificationError: a record is damaged.
        """
        volumes, documents = read_documents(datasets)
        entries: list[Entry] = []
        for number, document in enumerate(documents):
            entries.extend(_entries(number, document))
            if number % 200 == 0:
                report(Progress("reading the library", number, len(documents), "records"))
        return cls(volumes, documents, entries)

    @property
    def roots(self) -> list[str]:
        """The Merkle roots of the datasets, in order: what the library is made of."""
        return [volume.merkle_root for volume in self.volumes]

    @cached_property
    def similarity(self) -> SimilarityIndex:
        """The entries by what they are about."""
        groups = [entry.document for entry in self.entries]
        return SimilarityIndex.build((entry.about for entry in self.entries), groups)

    @cached_property
    def verbatim(self) -> SpanIndex:
        """The texts byte by byte."""
        return SpanIndex([document.text.encode("utf-8", "surrogatepass") for document in self.documents])

    @cached_property
    def shapes(self) -> list[bytes]:
        """The texts with names, numbers and strings collapsed, a byte per token."""
        return [shape(document.text).codes for document in self.documents]

    @cached_property
    def structure(self) -> SpanIndex:
        """The shapes of the texts."""
        return SpanIndex(self.shapes)

    def warm(self, report: Report = silent) -> None:
        """Build all indexes now."""
        for done, name in enumerate(("similarity", "verbatim", "structure"), 1):
            getattr(self, name)
            report(Progress("indexing the library", done, 3, "indexes", name))


def read_documents(datasets: Sequence[Dataset | Path | str]) -> tuple[list[Volume], list[Document]]:
    """Read all records of some datasets.

    Raises:
        GatllmError: a folder is no dataset, or all of them are empty.
        VerificationError: a record is damaged.
    """
    volumes: list[Volume] = []
    documents: list[Document] = []
    for number, given in enumerate(datasets):
        dataset = given if isinstance(given, Dataset) else Dataset.open(given)
        hashes: list[bytes] = []
        for leaf, (line, record) in enumerate(_lines(dataset)):
            hashes.append(leaf_hash(line))
            documents.append(_document(number, leaf, record))
        volumes.append(_volume(dataset, hashes))
    if not documents:
        raise GatllmError("the datasets hold no records", "build one with `gatllm data build`")
    return volumes, documents


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


def _document(dataset: int, leaf: int, record: dict[str, Any]) -> Document:
    text = record.get("text")
    if not isinstance(text, str):
        text = "\n\n".join(str(message.get("content", "")) for message in record.get("messages", ()))
    return Document(
        dataset=dataset,
        leaf=leaf,
        record_id=str(record.get("id", leaf)),
        origin=str(record.get("origin", "")),
        licence=str(record.get("licence", "NOASSERTION")),
        text=text,
    )


def _volume(dataset: Dataset, hashes: list[bytes]) -> Volume:
    manifest = dataset.manifest
    return Volume(
        name=manifest.name,
        path=str(dataset.path),
        kind=manifest.kind,
        merkle_root=manifest.merkle_root,
        contributor=manifest.contributor.name,
        wallet=manifest.contributor.wallet,
        leaf_hashes=hashes,
    )


def _entries(number: int, document: Document) -> Iterator[Entry]:
    """Yield an entry for each function and method; for the whole document when it has none (or is no Python)."""
    where = document.origin.rpartition(":")[2].replace("/", " ").removesuffix(".py")
    tree = parse(document.text)
    found = False
    for node, name in _functions(tree.body if tree else [], ""):
        found = True
        docstring = ast.get_docstring(node) or ""
        about = f"{where} {name} {name} {docstring} {' '.join(_names(node))}"
        yield Entry(number, name, node.lineno, docstring, about)
    if not found:
        yield Entry(number, where, 1, "", f"{where} {document.text[:4000]}")


def _functions(body: Sequence[ast.stmt], prefix: str) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, prefix + node.name
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body, f"{prefix}{node.name}.")


def _names(node: ast.AST) -> dict[str, None]:
    """Return the names that a function works with, each once, in order."""
    names: dict[str, None] = {}
    for child in ast.walk(node):
        if isinstance(child, ast.Name):
            names[child.id] = None
        elif isinstance(child, ast.Attribute):
            names[child.attr] = None
        elif isinstance(child, ast.arg):
            names[child.arg] = None
    return names
