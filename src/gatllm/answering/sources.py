"""Whose data an answer owes something to: documents that share passages with it that chance does not explain.

Each passage that answer and document share (token by token, or with names collapsed) carries so many bits under the
null of `library.rarity`. Chance would find log2(tokens of the answer · tokens of the index) bits somewhere: that much
each passage has to carry before it counts at all, and a document is a source when what counts in it is enough. Likeness
of meaning is not evidence: it is `similar_code`, a list of its own.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from math import log2
from typing import TYPE_CHECKING

from gatllm.answering.answer import Evidence, SimilarCode, Source
from gatllm.answering.library.fingerprints import MAX_DOCUMENTS, SHINGLE
from gatllm.answering.library.rarity import background, bits
from gatllm.answering.library.tokens import KINDS, Kind, Tokens, tokenize, windows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from gatllm.answering.library import Library, Passage, Record

# Real code is less random than the chain that the null is: so many bits more before a passage counts, and so many that
# all of a document's passages need together. Chosen on 200 answers to training tasks that owe nothing to 232 MB of
# packages (2 % show a source) and 100 planted records (97 % first); `benchmarks/sources.py` measures on other code.
_MARGIN = 12.0
_NEEDED = 48.0
_CANDIDATES = 12  # documents that are compared token by token
_REGION = 12_000  # bytes of a document around what was found
_SHORTEST = 8  # tokens of a passage


@dataclass(frozen=True)
class _Shared:
    """Tokens ``start`` to ``end`` of the answer are tokens ``there`` and following of the document."""

    kind: Kind
    start: int
    end: int
    there: int
    bits: float


class _Text:
    """A text and both its streams; ``offset``: where in its record it begins, in bytes."""

    def __init__(self, data: bytes, offset: int = 0) -> None:
        self.data = data
        self.offset = offset
        self.streams = tokenize(data)

    @cached_property
    def characters(self) -> NDArray[np.int64]:
        """How many characters begin before each byte."""
        import numpy as np

        begins = (np.frombuffer(self.data, np.uint8) & 0xC0) != 0x80
        return np.concatenate([[0], np.cumsum(begins)])

    def passage(self, tokens: Tokens, first: int, last: int) -> tuple[int, int, str]:
        """Return where tokens ``first`` to ``last`` begin and end, in characters, and their text."""
        start, end = int(tokens.starts[first]), int(tokens.ends[last - 1])
        text = self.data[start:end].decode("utf-8", "replace")
        return int(self.characters[start]), int(self.characters[end]), text


def find_sources(library: Library, text: str, *, retrieved: Sequence[Passage] = (), count: int = 5) -> list[Source]:
    """Return the records that an answer owes something to, those it owes most first; [] where chance explains all.

    Args:
        library: the datasets.
        text: the answer.
        retrieved: what the generator was shown; it is compared whatever the index says, and goes first among equals.
        count: how many at most.

    Raises:
        GatllmError: the index is damaged.
    """
    answer = _Text(text.encode("utf-8", "surrogatepass").replace(b"\0", b" "))
    shown = {passage.document: (passage.start, passage.end) for passage in retrieved}
    shared = {}
    for document, (start, end) in {**_candidates(library, answer), **shown}.items():
        other = _Text(library.text(document)[start:end], start)
        # Chance had the whole index to find likeness in, but few tokens in what the generator was shown.
        searched = len(other.data) * len(shown) if document in shown else 0
        if found := _evidence(library, answer, other, searched):
            shared[document] = (other, found)
    weights = _divided({document: found for document, (_, found) in shared.items()})
    best = sorted(weights, key=lambda document: (-weights[document], document not in shown, document))[:count]
    total = sum(weights[document] for document in best)
    return [
        _source(library, document, answer, *shared[document], weights[document] / total, document in shown)
        for document in best
    ]


def similar_code(library: Library, prompt: str, text: str, count: int = 5) -> list[SimilarCode]:
    """Return passages about the same things as a question and its answer. They are not sources and earn nothing."""
    found = []
    for near in library.nearest(f"{prompt}\n{text}", count):
        record = library.record(near.document)
        line = library.text(near.document)[: near.start].count(b"\n") + 1
        found.append(SimilarCode(record.dataset.name, record.origin, near.name, line, round(near.cosine, 4)))
    return found


def _candidates(library: Library, answer: _Text) -> dict[int, tuple[int, int]]:
    """Return the documents that share the most rare windows with an answer, and the bytes around where they do."""
    import numpy as np

    passages = library.index.passages
    hits: defaultdict[int, defaultdict[int, float]] = defaultdict(lambda: defaultdict(float))
    for kind in KINDS:
        wanted = windows(answer.streams[kind].hashes, SHINGLE[kind])
        for found in library.index.prints[kind].passages_with(wanted):
            documents = passages[found, 0]
            holders = len(np.unique(documents))
            if holders <= MAX_DOCUMENTS:
                for document, passage in zip(documents.tolist(), found.tolist(), strict=True):
                    hits[document][passage] += 1 / holders
    best = sorted(hits, key=lambda document: (-sum(hits[document].values()), document))[:_CANDIDATES]
    return {document: _region(library, document, hits[document]) for document in best}


def _region(library: Library, document: int, hits: dict[int, float]) -> tuple[int, int]:
    """Return the bytes of a document to compare: the passages that were hit, as far as they are near the best."""
    base, stop = library.index.documents[document, :2].tolist()
    rows = library.index.passages[sorted(hits), 1:]
    start, end = library.index.passages[max(hits, key=lambda passage: (hits[passage], -passage)), 1:].tolist()
    room = max(_REGION - (end - start), 0) // 2
    low = max(min(int(rows[:, 0].min()), start), start - room, base)
    high = min(max(int(rows[:, 1].max()), end), end + room, stop)
    return low - base, min(high, low + 4 * _REGION) - base


def _evidence(library: Library, answer: _Text, other: _Text, searched: int) -> list[_Shared]:
    """Return what an answer shares with a document beyond chance; structure only where nothing is verbatim.

    ``searched``: how many tokens chance had to find likeness in; 0: all of the index.
    """
    import numpy as np

    found: list[_Shared] = []
    covered = np.zeros(len(answer.data) + 1, np.bool_)
    for kind in KINDS:
        mine, theirs = answer.streams[kind], other.streams[kind]
        runs = list(_runs(mine.hashes, theirs.hashes, SHINGLE[kind]))
        if not runs:
            continue
        rarities = [library.index.rarities[kind], background()[kind]]
        carried = bits(mine.hashes, kind, rarities, theirs.hashes)
        chance = log2(max(len(mine.hashes), 2) * max(searched or rarities[0].total, 2)) + _MARGIN
        for start, end, there in runs:
            fresh = ~covered[mine.starts[start:end]]
            beyond = float(carried[start:end][fresh].sum()) - chance
            if beyond > 0 and end - start >= _SHORTEST:
                found.append(_Shared(kind, start, end, there, beyond))
                covered[mine.starts[start] : mine.ends[end - 1]] = True
    return found if sum(each.bits for each in found) >= _NEEDED else []


def _runs(mine: NDArray[np.uint64], theirs: NDArray[np.uint64], width: int) -> Iterator[tuple[int, int, int]]:
    """Yield the longest passages of ``width`` tokens or more that two texts share: start and end here, start there.

    Every window here is looked up there; hits on one diagonal that follow each other are one passage. Of passages that
    overlap, the longer stays.
    """
    import numpy as np

    here, there = windows(mine, width), windows(theirs, width)
    if not len(here) or not len(there):
        return
    order = np.argsort(there, kind="stable")
    ordered = there[order]
    first = np.searchsorted(ordered, here, "left")
    counts = np.minimum(np.searchsorted(ordered, here, "right") - first, 16)  # a window that repeats: enough of them
    at = np.repeat(np.arange(len(here)), counts)
    if not len(at):
        return
    offsets = np.arange(len(at)) - np.repeat(np.cumsum(counts) - counts, counts)
    other = order[np.repeat(first, counts) + offsets]
    rank = np.lexsort((at, other - at))
    at, other = at[rank], other[rank]
    breaks = np.flatnonzero((np.diff(at) != 1) | (np.diff(other - at) != 0)) + 1
    starts, stops = np.concatenate([[0], breaks]), np.concatenate([breaks, [len(at)]])
    taken = np.zeros(len(mine), np.bool_)
    for run in sorted(zip(starts.tolist(), stops.tolist(), strict=True), key=lambda run: (run[0] - run[1], run[0])):
        begin, end = int(at[run[0]]), int(at[run[1] - 1]) + width
        if not taken[begin:end].any():
            taken[begin:end] = True
            yield begin, end, int(other[run[0]])


def _divided(found: dict[int, list[_Shared]]) -> dict[int, float]:
    """Return the bits of each document; what several documents hold alike is divided among them."""
    holders: defaultdict[tuple[Kind, int], list[tuple[int, int]]] = defaultdict(list)
    for document, passages in found.items():
        for each in passages:
            holders[(each.kind, document)].append((each.start, each.end))
    weights = {}
    for document, passages in found.items():
        total = 0.0
        for each in passages:
            alike = sum(
                any(start < (each.start + each.end) / 2 < end for start, end in holders[(each.kind, other)])
                for other in found
            )
            total += each.bits / max(alike, 1)
        weights[document] = total
    return weights


def _source(
    library: Library, document: int, answer: _Text, other: _Text, found: list[_Shared], fraction: float, retrieved: bool
) -> Source:
    record: Record = library.record(document)
    dataset = record.dataset
    evidence = []
    for each in sorted(found, key=lambda each: -each.bits)[:5]:
        start, end, text = answer.passage(answer.streams[each.kind], each.start, each.end)
        stream = other.streams[each.kind]
        _, _, passage = other.passage(stream, each.there, each.there + each.end - each.start)
        ahead = library.text(document)[: other.offset + int(stream.starts[each.there])]
        begin, line = len(ahead.decode("utf-8", "replace")), ahead.count(b"\n") + 1
        evidence.append(Evidence(each.kind, start, end, text, passage, begin, line, round(each.bits, 1)))
    return Source(
        dataset=dataset.name,
        record_id=record.record_id,
        origin=record.origin,
        licence=record.licence,
        contributor=dataset.contributor,
        wallet=dataset.wallet,
        bits=round(sum(each.bits for each in found), 1),
        fraction=round(fraction, 6),
        retrieved=retrieved,
        evidence=tuple(evidence),
        leaf=record.leaf,
        leaves=dataset.records,
        merkle_root=dataset.merkle_root,
        proof=tuple(library.proof(record)),
    )
