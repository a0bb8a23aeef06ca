"""The datasets behind the answers, opened for search: passages near a question, documents that share passages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from gatllm.answering.library.needs import needs_of
from gatllm.answering.library.store import Index, IndexedDataset, open_index
from gatllm.data import Dataset
from gatllm.progress import Report, silent

NEAR = 0.35  # the cosine from which a passage is about what is asked
_MOST_SHOWN = 3
_NAME = re.compile(rb"\s*(?:async\s+)?(?:def|class)\s+(\w+)")


@dataclass(frozen=True, slots=True)
class Passage:
    """A function, a class's head, or what of a record is neither; ``cosine`` is that to what was asked for.

    ``start`` and ``end`` are bytes of the record's text (UTF-8). ``needs``: what else of the record it uses, where it
    is to be shown to a generator.
    """

    document: int
    name: str
    start: int
    end: int
    cosine: float
    text: str = field(repr=False)
    needs: str = field(default="", repr=False)


def as_context(passages: Sequence[Passage]) -> str:
    """Return passages as the generator is shown them, as material and not as something to be obeyed."""
    shown = "\n".join(f"```python\n{_with_needs(passage)}\n```" for passage in passages)
    return f"Code from datasets that may help; use what fits, ignore the rest:\n{shown}"


def _with_needs(passage: Passage) -> str:
    return f"{passage.needs}\n\n{passage.text.rstrip()}" if passage.needs else passage.text.rstrip()


@dataclass(frozen=True, slots=True)
class Record:
    """What is known about one record of a dataset."""

    dataset: IndexedDataset
    leaf: int
    record_id: str
    origin: str
    licence: str


class Library:
    """Datasets under one index. Nothing is read before it is asked for; any number of threads may ask."""

    def __init__(self, index: Index) -> None:
        self.index = index

    @classmethod
    def open(
        cls, datasets: Sequence[Dataset | Path | str], folder: Path | None = None, *, report: Report = silent
    ) -> Self:
        """Open datasets of any kind; the first time, an index is built in ``folder`` (default: `store_folder`).

        Raises:
            GatllmError: a folder is not a dataset, all of them are empty, or the index can't be written.
            VerificationError: a record is damaged.
        """
        opened = [given if isinstance(given, Dataset) else Dataset.open(given) for given in datasets]
        return cls(open_index(opened, folder, report))

    def __len__(self) -> int:
        return len(self.index.documents)

    @property
    def datasets(self) -> list[IndexedDataset]:
        """The datasets, in order."""
        return self.index.datasets

    @property
    def roots(self) -> list[str]:
        """The Merkle roots of the datasets, in order: what the library is made of."""
        return [dataset.merkle_root for dataset in self.datasets]

    def text(self, document: int) -> bytes:
        """Return the text of a record as UTF-8.

        Raises:
            GatllmError: the index is damaged.
        """
        return self.index.text(document)

    def record(self, document: int) -> Record:
        """Return what is known about a record."""
        dataset, leaf = self.index.documents[document, 2:4].tolist()
        return Record(self.datasets[dataset], leaf, *self.index.record(document))

    def proof(self, record: Record) -> list[str]:
        """Return the path that proves a record to be under the Merkle root of its dataset (RFC 6962)."""
        return self.index.proof(record.dataset, record.leaf)

    def passages(self) -> Iterator[Passage]:
        """Yield all passages in order; their cosine is 0, nothing was asked."""
        for number in range(len(self.index.passages)):
            yield self._passage(number, 0.0)

    def nearest(self, text: str, count: int = 5) -> list[Passage]:
        """Return the passages whose words are nearest to those of ``text``, best first."""
        return [self._passage(near.passage, near.cosine) for near in self.index.words.nearest(text, count)]

    def _passage(self, number: int, cosine: float) -> Passage:
        document, start, end = self.index.passages[number].tolist()
        base, stop = self.index.documents[document, :2].tolist()
        data = self.index.slice(start, min(end, stop))
        found = _NAME.match(data)
        name = found[1].decode("utf-8", "replace") if found else ""
        return Passage(document, name, start - base, min(end, stop) - base, cosine, data.decode("utf-8", "replace"))

    def retrieve(self, prompt: str, tokens: int) -> list[Passage]:
        """Return the passages that a generator should see with a prompt, best first; none where none is near.

        Each comes with what else of its record it uses. One that uses what its record does not have is left out: a
        small generator copies a call of a helper and not the helper.

        Args:
            prompt: what is asked.
            tokens: how many tokens they may have together, four bytes each.
        """
        chosen: list[Passage] = []
        room = 4 * tokens
        for passage in self.nearest(prompt, _MOST_SHOWN + 2):
            if passage.cosine < NEAR or not passage.name or len(chosen) == _MOST_SHOWN:
                continue
            size = passage.end - passage.start
            if size > room:
                continue
            needs = needs_of(passage.text, self.text(passage.document).decode("utf-8", "replace"))
            if needs is not None and size + len(needs.encode()) <= room:
                chosen.append(replace(passage, needs=needs))
                room -= size + len(needs.encode())
        return chosen

    def known(self, text: str) -> float:
        """Return the fraction of a text's words that the datasets use, rare words counting more."""
        return self.index.words.known(text)
