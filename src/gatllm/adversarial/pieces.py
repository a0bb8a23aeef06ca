"""The code that rounds are played on: functions with their module's names, divided into training and held-out ones."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from random import Random

from gatllm.data import functions, split_of
from gatllm.data.functions import parse
from gatllm.errors import GatllmError
from gatllm.progress import Progress, Report
from gatllm.training.objectives.corpora import open_dataset

_SHORTEST, _LONGEST = 60, 4000  # characters of a function


@dataclass(frozen=True)
class Piece:
    """A function of real code: its source, signature and docstring, place, and what its module defines."""

    text: str
    prompt: str
    header: str
    origin: str
    licence: str
    source: str
    names: frozenset[str]

    @property
    def target(self) -> str:
        """The function without its docstring: what an encoder-decoder answers the prompt with."""
        return f"{self.header}\n{self.text[len(self.prompt) :].lstrip(chr(10))}"


@dataclass(frozen=True)
class Sides:
    """Functions to learn from, and functions that are only measured on."""

    train: list[Piece]
    held_out: list[Piece]
    path: Path
    root: str


def read_sides(source: str, report: Report) -> Sides:
    """Read the functions of a dataset, divided as every training run divides it.

    Raises:
        GatllmError: there is no such dataset, or it is too small.
    """
    dataset = open_dataset(source, report)
    parts: dict[str, dict[str, Piece]] = {"train": {}, "validation": {}}
    for number, record in enumerate(dataset.records()):
        if number % 128 == 0:
            report(Progress("read", number, len(dataset), "records"))
        text = str(record["text"])
        origin = str(record.get("origin", record["id"]))
        names = defined(text)
        for one in functions(text):
            whole = one.text.startswith(one.prompt) and one.text[len(one.prompt) :].strip()
            if whole and _SHORTEST <= len(one.text) <= _LONGEST and "\r" not in one.text:
                piece = Piece(
                    one.text, one.prompt, one.header, f"{origin}#{one.name}", str(record.get("licence", "NOASSERTION")),
                    str(record["id"]), names,
                )  # fmt: skip
                parts[split_of(origin)].setdefault(one.text, piece)
    known = parts["train"]
    held_out = [piece for text, piece in parts["validation"].items() if text not in known]
    if len(known) < 2 or len(held_out) < 2:
        raise GatllmError(f"{source} is too small for rounds", "name a larger --dataset, of many modules")
    return Sides(list(known.values()), held_out, dataset.path, dataset.manifest.merkle_root)


def defined(text: str) -> frozenset[str]:
    """Return the names that a module binds at its top level: imports, functions, classes, variables."""
    tree = parse(text)
    found: set[str] = set()
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Global):
            found |= set(node.names)
    for statement in tree.body if tree is not None else ():
        found |= {
            node.id
            for node in ast.walk(statement)
            if isinstance(node, ast.Name)
            and isinstance(node.ctx, ast.Store)
            and not isinstance(statement, ast.FunctionDef)
        }
    return frozenset(found)


def draw(pieces: list[Piece], count: int, rng: Random) -> list[Piece]:
    """Return ``count`` different functions, or all of them in random order where there are fewer."""
    return rng.sample(pieces, min(count, len(pieces)))
