"""Whose data an answer resembles: which records hold its pieces, verbatim or in structure, and which are nearest."""

from __future__ import annotations

from collections import defaultdict
from math import log

from gatllm.answering.answer import Evidence, Source
from gatllm.answering.blocks import CodeBlock, split
from gatllm.answering.library import Library
from gatllm.answering.spans import Shape, shape, word_starts

SHORTEST_VERBATIM = 24  # bytes
SHORTEST_STRUCTURE = 14  # tokens
_NEAREST = 8


def find_sources(library: Library, prompt: str, text: str, count: int = 5) -> list[Source]:
    """Return the records that an answer resembles most, best first.

    A piece that occurs in few records weighs more: length times ln((1 + records) / records with it), so boilerplate,
    which is everywhere, weighs nothing. Likeness in structure weighs half. Nearness of meaning (cosine of prompt and
    answer to the record's functions) breaks ties and stands in where no piece is shared.
    """
    evidence: defaultdict[int, list[Evidence]] = defaultdict(list)
    scores: defaultdict[int, float] = defaultdict(float)
    for found, documents in [*_verbatim(library, text), *_structure(library, text)]:
        weight = 1.0 if found.kind == "verbatim" else 0.5
        rarity = log((1 + len(library.documents)) / max(len(documents), min(found.count, len(library.documents))))
        for document in documents:
            evidence[document].append(found)
            scores[document] += weight * (found.end - found.start) * rarity
    total = max(scores.values(), default=0.0)
    nearest: dict[int, tuple[float, str]] = {}
    for near in library.similarity.nearest(f"{prompt}\n{text}", _NEAREST):
        entry = library.entries[near.item]
        if near.cosine > nearest.get(entry.document, (0.0, ""))[0]:
            nearest[entry.document] = (near.cosine, entry.name)
    ranked = {
        document: nearest.get(document, (0.0, ""))[0] + (scores[document] / total * 0.5 if total else 0.0)
        for document in {*scores, *nearest}
    }
    best = sorted(ranked, key=lambda document: (-ranked[document], document))[:count]
    return [_source(library, at, ranked[at], nearest.get(at, (0.0, "")), evidence[at]) for at in best]


def _verbatim(library: Library, text: str) -> list[tuple[Evidence, tuple[int, ...]]]:
    data = text.encode("utf-8", "surrogatepass")
    found = []
    for span in library.verbatim.spans(data, word_starts(data), SHORTEST_VERBATIM):
        piece = data[span.start : span.end].decode("utf-8", "ignore")
        if len(piece.strip()) < SHORTEST_VERBATIM:
            continue
        start = len(data[: span.start].decode("utf-8", "ignore"))
        found.append((Evidence("verbatim", start, start + len(piece), piece, span.copies), span.documents))
    return found


def _structure(library: Library, text: str) -> list[tuple[Evidence, tuple[int, ...]]]:
    found = []
    for start, code in _code_places(text):
        pattern: Shape = shape(code)
        lines = [0, *(at + 1 for at, number in enumerate(pattern.codes) if number == 4)]
        for span in library.structure.spans(pattern.codes, lines, SHORTEST_STRUCTURE):
            first, last = pattern.places[span.start][0], pattern.places[span.end - 1][1]
            piece = Evidence("structure", start + first, start + last, code[first:last], span.copies)
            found.append((piece, span.documents))
    return found


def _code_places(text: str) -> list[tuple[int, str]]:
    places, at = [], 0
    for piece in split(text):
        if isinstance(piece, CodeBlock) and piece.code and (start := text.find(piece.code, at)) >= 0:
            places.append((start, piece.code))
            at = start + len(piece.code)
    return places


def _source(library: Library, document: int, score: float, near: tuple[float, str], evidence: list[Evidence]) -> Source:
    record = library.documents[document]
    volume = library.volumes[record.dataset]
    return Source(
        dataset=volume.name,
        record_id=record.record_id,
        origin=record.origin,
        name=near[1],
        licence=record.licence,
        contributor=volume.contributor,
        wallet=volume.wallet,
        score=score,
        cosine=near[0],
        evidence=tuple(sorted(evidence, key=lambda piece: (piece.count, -(piece.end - piece.start)))[:5]),
        leaf=record.leaf,
        leaves=len(volume.leaf_hashes),
        merkle_root=volume.merkle_root,
        proof=tuple(volume.proof(record.leaf)),
    )
