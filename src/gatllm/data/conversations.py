"""Conversations as tokens: what the assistant says is learnt, the rest is read; rows packed full, none for nothing."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from gatllm.errors import UsageError
from gatllm.tokenizers import IM_END, Message, TokenizerBase


@dataclass(frozen=True, slots=True)
class Row:
    """One row for training, not padded: ids, which of them are targets, and the number of the item each is of."""

    ids: list[int]
    learnt: list[bool]
    items: list[int]


@dataclass
class PackingReport:
    """What packing could not place whole: numbers of items that were cut, and of those that were left out and why."""

    items: int = 0
    rows: int = 0
    cut: list[int] = field(default_factory=list)
    left_out: dict[int, str] = field(default_factory=dict)


def render(messages: Sequence[Message], tokenizer: TokenizerBase) -> tuple[list[int], list[bool]]:
    """Return the ids of a conversation, and which of them are learnt: the assistant's words and the end of its turn.

    Raises:
        GatllmError: the tokenizer lacks a chat token.
    """
    ids: list[int] = []
    learnt: list[bool] = []
    for message in messages:
        opening = tokenizer.open_turn(message["role"])
        content = [*tokenizer.encode(message["content"]), tokenizer.special(IM_END)]
        ids += opening + content
        learnt += [False] * len(opening) + [message["role"] == "assistant"] * len(content)
    return ids, learnt


def pack(
    items: Iterable[tuple[Sequence[int], Sequence[bool]]], width: int, report: PackingReport, *, buffer: int = 256
) -> Iterator[Row]:
    """Yield rows of at most ``width`` tokens, filled best-fit from a buffer of items.

    No row is without a target: an item without one after its first token (which nothing predicts) is left out. An
    item that is too long is cut at ``width`` when a target remains, and else left out. ``report`` names all of them;
    none is silently lost.

    Raises:
        UsageError: rows of fewer than two tokens have no target.
    """
    if width < 2:
        raise UsageError(f"rows of {width} tokens have no target", "take 2 or more")
    waiting: list[tuple[int, int]] = []  # (length, number), ascending
    held: dict[int, tuple[list[int], list[bool]]] = {}

    def fill() -> Row:
        row = Row([], [], [])
        while waiting:
            place = bisect.bisect_right(waiting, (width - len(row.ids), report.items)) - 1
            if place < 0:
                break
            _, number = waiting.pop(place)
            ids, learnt = held.pop(number)
            row.ids.extend(ids)
            # The first token of an item follows another item: nothing there predicts it.
            row.learnt.extend([False, *learnt[1:]])
            row.items.extend([number] * len(ids))
        report.rows += 1
        return row

    for ids, learnt in items:
        number = report.items
        report.items += 1
        kept = min(len(ids), width)
        if not any(learnt[1:]):
            report.left_out[number] = "nothing in it is learnt"
            continue
        if not any(learnt[1:kept]):
            report.left_out[number] = f"what is learnt lies beyond {width} tokens"
            continue
        if kept < len(ids):
            report.cut.append(number)
        held[number] = list(ids[:kept]), list(learnt[:kept])
        bisect.insort(waiting, (kept, number))
        if len(waiting) > buffer:
            yield fill()
    while waiting:
        yield fill()
