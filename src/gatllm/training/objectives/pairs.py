"""Where pairs of source and target come from: the functions of a dataset, or strings to put in order."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from gatllm.data import Dataset, divide, functions, split_of
from gatllm.errors import GatllmError
from gatllm.progress import Report
from gatllm.records import digest
from gatllm.training.objectives.corpora import open_dataset, stands_for_itself
from gatllm.training.objectives.data_tables import PairTable
from gatllm.training.seeds import derive

Pair = tuple[str, str]


@dataclass(frozen=True)
class Pairs:
    """Pairs to train on and to validate on; ``root`` commits to them.

    ``endless`` gives the ``number``-th of arbitrarily many training pairs; ``train`` is then a sample of them.
    ``asked``: they are questions and answers, which one wants back word for word. Without ``held_out`` there were too
    few to hold some back: all train, and the same validate.
    """

    train: tuple[Pair, ...]
    validation: tuple[Pair, ...]
    root: str
    endless: Callable[[int], Pair] | None = None
    asked: bool = False
    held_out: bool = True


def load_pairs(table: PairTable, seed: int, report: Report) -> Pairs:
    """Return the pairs of a recipe.

    Raises:
        GatllmError: the dataset is missing or has no pairs.
    """
    if table.source == "alphabetize" and not stands_for_itself(Path(table.source)):
        return _alphabetize(table, seed)
    return _from_dataset(open_dataset(table.source, report))


def _alphabetize(table: PairTable, seed: int) -> Pairs:
    """Random lower-case strings and their characters in order; no validation string is ever trained on."""

    def string_of(use: str, number: int, shortest: int) -> str:
        generator = random.Random(derive(seed, use, number))
        # Half of the strings have the full length: it is the hardest, and what is validated.
        length = table.length if generator.random() < 0.5 else generator.randint(shortest, table.length)
        return "".join(generator.choice(string.ascii_lowercase) for _ in range(length))

    # Validation strings have the full length: the shorter ones are too few to be kept apart from training.
    held = {string_of("validation strings", n, table.length): None for n in range(table.validation_limit)}

    def endless(number: int) -> Pair:
        text = string_of("strings", number, 1)
        while text in held:
            text = text[1:] + text[0] if len(set(text)) > 1 and text[1:] + text[0] not in held else text[:-1]
        return text, "".join(sorted(text))

    validation = tuple((text, "".join(sorted(text))) for text in held)
    root = digest({"task": "alphabetize", "length": table.length, "validation": table.validation_limit, "seed": seed})
    return Pairs(tuple(endless(number) for number in range(1000)), validation, root, endless)


def _from_dataset(dataset: Dataset) -> Pairs:
    if any("messages" in record for record in _first(dataset)):
        raise GatllmError(f"{dataset.path} holds conversations", 'set objective = "chat", which learns their answers')
    if all(record.get("prompt") for record in dataset.records()):
        keyed = [(record["origin"], (record["prompt"], record["text"])) for record in dataset.records()]
        train, validation, held_out = divide(keyed)
        root = dataset.manifest.merkle_root
        return Pairs(tuple(train), tuple(validation), root, asked=True, held_out=held_out)
    parts: dict[str, list[Pair]] = {"train": [], "validation": []}
    for record in dataset.records():
        parts[split_of(record["origin"])].extend(_pairs_of(record))
    for name, pairs in parts.items():
        if not pairs:
            raise GatllmError(
                f"{dataset.path} has no pairs for {name}", "build a larger dataset, with documented functions"
            )
    return Pairs(tuple(parts["train"]), tuple(parts["validation"]), dataset.manifest.merkle_root)


def _first(dataset: Dataset) -> Iterator[dict[str, Any]]:
    return islice(dataset.records(), 1)


def _pairs_of(record: dict[str, str]) -> Iterator[Pair]:
    """A record with a prompt is a pair; a module gives one for each documented function.

    There the source is signature and docstring, the target the function without its docstring: it stands alone, and
    nothing is learnt from copying prose.
    """
    if record.get("prompt"):
        yield record["prompt"], record["text"]
        return
    for function in functions(record["text"]):
        body = function.text[len(function.prompt) :]
        if function.docstring and body.strip() and function.text.startswith(function.prompt):
            yield function.prompt, f"{function.header}\n{body.lstrip(chr(10))}"
