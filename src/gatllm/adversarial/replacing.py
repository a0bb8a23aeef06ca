"""Replaced tokens: a small language model proposes what else could stand in a place of real code (ELECTRA).

One pass over a function gives the model's view of every place. What it draws instead of the token that is there looks
right to itself: harder errors than those of a table of families, and nobody had to think of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import torch

from gatllm.adversarial.case import Case
from gatllm.adversarial.pieces import Piece
from gatllm.adversarial.writer import Writer
from gatllm.data.code import Edit, analyse
from gatllm.data.functions import parse
from gatllm.models import GPT

_KINDS = frozenset({"name", "keyword", "number", "op"})
_LEXEME = re.compile(r" ?([^\W\d]\w*|\d+|[^\w\s\"'#\\]+)")
_BATCH = 16


@dataclass(frozen=True)
class _Place:
    """Where a token of the language model is one whole lexeme: its position, and the lexeme's characters."""

    position: int
    start: int
    end: int


def replaced(writer: Writer, pieces: Sequence[Piece], seed: int, *, most: int = 1) -> list[Case]:
    """Return each function with one to ``most`` tokens replaced by the model's own proposals.

    The tree differs from the original's in every case. A model that does not read from left to right gives none.
    """
    if not isinstance(writer.model, GPT):
        return []
    rng = Random(f"replaced {seed}")
    short = [piece for piece in pieces if piece.text.isascii()]
    found: list[Case] = []
    for first in range(0, len(short), _BATCH):
        found += _replace(writer, short[first : first + _BATCH], rng, most)
    return found


def _replace(writer: Writer, pieces: Sequence[Piece], rng: Random, most: int) -> list[Case]:
    tokenizer, context = writer.tokenizer, writer.model.config.context
    rows = [[tokenizer.end_id, *tokenizer.encode(piece.text)][:context] for piece in pieces]
    inputs = torch.full((len(rows), max(map(len, rows))), tokenizer.pad_id)  # (batch, tokens)
    for number, row in enumerate(rows):
        inputs[number, : len(row)] = torch.tensor(row)
    with torch.inference_mode():
        probabilities = writer.model(inputs).float()
        probabilities[..., tokenizer.pad_id] = -torch.inf
        probabilities[..., tokenizer.end_id] = -torch.inf
        probabilities[..., tokenizer.size :] = -torch.inf
        probabilities = probabilities.softmax(-1)
    generator = torch.Generator().manual_seed(rng.randrange(2**62))
    found = []
    for number, (piece, row) in enumerate(zip(pieces, rows, strict=True)):
        words = [tokenizer.decode([one]) for one in row[1:]]
        if not piece.text.startswith("".join(words)):
            continue
        places = _places(piece.text, words)
        rng.shuffle(places)
        edits: list[Edit] = []
        for place in places:
            if len(edits) == most:
                break
            scores = probabilities[number, place.position].clone()
            scores[row[place.position + 1]] = 0.0
            drawn = tokenizer.decode([int(torch.multinomial(scores, 1, generator=generator))])
            old = words[place.position]
            whole = _LEXEME.fullmatch(drawn)
            if whole is None or drawn.startswith(" ") != old.startswith(" ") or whole[1] == old.strip():
                continue
            edits.append(Edit(place.start, place.end, whole[1]))
        case = _case(piece, sorted(edits)) if edits else None
        if case is not None:
            found.append(case)
    return found


def _places(text: str, words: Sequence[str]) -> list[_Place]:
    solid = {(token.start, token.end) for token in analyse(text).solid if token.kind in _KINDS}
    places, at = [], 0
    for position, word in enumerate(words):
        start = at + (len(word) - len(word.lstrip(" ")))
        at += len(word)
        if (start, at) in solid and _LEXEME.fullmatch(word):
            places.append(_Place(position, start, at))
    return places


def _case(piece: Piece, edits: list[Edit]) -> Case | None:
    made = Case.replacing(piece, edits, syntactic=False)
    code, broken = analyse(piece.text), parse(made.broken)
    if code.tree is None or (broken is not None and code.language.same(broken, code.tree)):
        return None
    return Case.replacing(piece, edits, syntactic=broken is None)
