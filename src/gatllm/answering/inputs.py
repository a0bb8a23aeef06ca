"""Generated arguments of the same shape as those that a prompt states, on which candidates are compared."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from gatllm.sandbox import same


def vary(stated: Sequence[tuple[Any, ...]], count: int = 12, seed: int = 0) -> list[tuple[Any, ...]]:
    """Return up to ``count`` argument tuples: those stated, and variations of them that keep every value's type."""
    chance = random.Random(seed)
    found = list(stated[:count])
    for attempt in range(20 * count):
        if len(found) >= count or not stated:
            break
        base = stated[attempt % len(stated)]
        # One argument at a time first: where arguments belong together, changing all at once gives mostly errors.
        changed = {chance.randrange(len(base))} if base and attempt % 3 else set(range(len(base)))
        varied = tuple(_vary(value, chance) if at in changed else value for at, value in enumerate(base))
        if not any(same(varied, other) for other in found):
            found.append(varied)
    return found


def _vary(value: Any, chance: random.Random, depth: int = 0) -> Any:
    if isinstance(value, bool | int | float | str):
        return _vary_atom(value, chance)
    if isinstance(value, list | tuple) and depth < 4:
        return type(value)(_vary_items(list(value), chance, depth))
    if isinstance(value, set | frozenset):
        return type(value)(_vary_items(sorted(value, key=repr), chance, depth))
    if isinstance(value, dict):
        return {key: _vary(item, chance, depth + 1) for key, item in value.items() if chance.random() < 0.85}
    return value


def _vary_atom(value: bool | float | str, chance: random.Random) -> Any:
    if isinstance(value, bool):
        return chance.random() < 0.5
    if isinstance(value, int):
        return chance.choice([0, 1, value + 1, value - 1, 2 * value, chance.randint(-10, 20), chance.randint(0, 100)])
    if isinstance(value, float):
        return chance.choice([0.0, value + 1, value / 2, -value, round(chance.uniform(-10, 100), 2)])
    return _vary_text(value, chance)


def _vary_items(items: list[Any], chance: random.Random, depth: int) -> list[Any]:
    """Return items of the same types: fewer, more, in another order, or with other values."""
    rows = len({len(item) for item in items if isinstance(item, list | tuple)}) == 1 and len(items) > 1
    way = chance.randrange(6)
    if way == 0:
        return items[: chance.randint(0, len(items))]
    if way == 1:
        return items[::-1]
    if way == 2:
        return chance.sample(items, len(items))
    if way == 3 and items:
        return [*items, chance.choice(items)]
    # The rows of a table stay of one length.
    return [item if rows and chance.random() < 0.5 else _vary(item, chance, depth + 1) for item in items]


def _vary_text(text: str, chance: random.Random) -> str:
    letters = sorted(set(text)) or list("ab")
    return chance.choice(
        [
            "",
            text[::-1],
            text.upper(),
            text + text,
            text[: len(text) // 2],
            text + chance.choice(letters),
            "".join(chance.choice(letters) for _ in range(chance.randint(1, len(text) + 2))),
            "".join(chance.sample(text, len(text))),
        ]
    )
