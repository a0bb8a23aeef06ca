"""Which records train and which validate: decided by a hash of the module, so it never moves between runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Literal, NamedTuple, TypeVar

from gatllm.records import sha256

Split = Literal["train", "validation"]
_PASSED_OVER = frozenset({"src", "lib", "site-packages", "tests", "test"})
_VALIDATION_PERCENT = 10
FEWEST_TO_HOLD_BACK = 200  # a tenth of fewer questions measures nothing, and what it holds is never learnt

_T = TypeVar("_T")


def module_of(origin: str) -> str:
    """Return the unit that is never divided: the source and up to two steps of the path, without ``#function``.

    ``stdlib:json/decoder.py#JSONDecoder.decode`` → ``stdlib:json/decoder``.
    """
    scheme, colon, path = origin.partition("#")[0].rpartition(":")
    parts = path.split("/")
    while len(parts) > 1 and parts[0] in _PASSED_OVER:
        parts.pop(0)
    return f"{scheme}{colon}{'/'.join(parts[:2]).removesuffix('.py')}"


def split_of(key: str) -> Split:
    """Return where a record belongs, from its ``origin`` (or any other stable key): about 10 % validate."""
    bucket = int(sha256(module_of(key).encode("utf-8", "surrogatepass"))[:8], 16) % 100
    return "validation" if bucket < _VALIDATION_PERCENT else "train"


class Division(NamedTuple, Generic[_T]):
    """What trains and what validates; where nothing is ``held_out``, the same things do both."""

    train: list[_T]
    validation: list[_T]
    held_out: bool


def divide(keyed: Sequence[tuple[str, _T]]) -> Division[_T]:
    """Divide questions and answers, each with its stable key; of fewer than 200 none is held back: all are learnt."""
    everything = [value for _, value in keyed]
    if len(everything) >= FEWEST_TO_HOLD_BACK:
        parts: dict[Split, list[_T]] = {"train": [], "validation": []}
        for key, value in keyed:
            parts[split_of(key)].append(value)
        if all(parts.values()):
            return Division(parts["train"], parts["validation"], held_out=True)
    return Division(everything, everything, held_out=False)
