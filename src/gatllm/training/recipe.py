"""A recipe: everything that decides what a training run gives, as one TOML file."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_serializer

from gatllm.errors import UsageError
from gatllm.records import digest
from gatllm.training.objectives.registry import data_table
from gatllm.training.tables import DeterminismTable, ExpectTable, Table, TokenizerTable, TrainTable, checked

_TEXTS = (".txt", ".md", ".rst")
_TABLES = (".json", ".jsonl", ".csv", ".tsv", ".parquet")
_BESIDE = (Path(__file__).parent.parent / "recipes", Path(__file__).parents[3] / "recipes")


class Recipe(Table):
    """A training run before it starts.

    ``data`` is the table of the objective (`TextTable`, `PairTable`, `TaggingTable`); ``model`` is what
    `models.config_from_dict` takes, where the objective fills in what follows from the data. Initialisation, data
    order and dropout all derive from ``seed``.
    """

    name: str
    objective: str
    about: str = ""
    seed: int = Field(default=1337, ge=0, lt=2**53)
    data: Table
    start: str = Field(default="", description="run folder whose weights and tokenizer this run begins with")
    tokenizer: TokenizerTable = TokenizerTable()
    model: dict[str, Any]
    train: TrainTable
    determinism: DeterminismTable | None = None
    expect: ExpectTable | None = None

    @field_serializer("data")
    def _whole_data(self, data: Table) -> dict[str, Any]:
        return data.model_dump(exclude_none=True)

    @classmethod
    def load(cls, path: str | Path, overrides: Mapping[str, Any] | None = None) -> Self:
        """Read a recipe from a file, or by the name of one that comes with the package.

        ``overrides`` maps dotted keys to values: ``{"train.minutes": 1.5}``.

        Raises:
            UsageError: no such recipe, not TOML, an unknown key or a value out of bounds.
        """
        file = _find(path)
        if file.suffix.lower() in _TEXTS:
            return cls.of(_on_text(file), overrides)
        try:
            values = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"can't read {file}: {error}", "name a TOML recipe") from None
        except tomllib.TOMLDecodeError as error:
            pairs = file.suffix.lower() in _TABLES
            cure = f"gatllm learn {file} learns questions and answers" if pairs else "correct that line"
            raise UsageError(f"{file} is not TOML: {error}", cure) from None
        values.setdefault("name", file.stem)
        return cls.of(values, overrides)

    @classmethod
    def of(cls, values: Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> Self:
        """Make a recipe from nested tables, with dotted ``overrides``.

        Raises:
            UsageError: as for `load`.
        """
        tables: dict[str, Any] = {key: dict(v) if isinstance(v, Mapping) else v for key, v in values.items()}
        for key, value in (overrides or {}).items():
            _override(tables, key, value)
        if "objective" in tables and isinstance(tables.get("data"), dict):
            tables["data"] = checked(data_table(str(tables["objective"])), tables["data"], "data")
        return checked(cls, tables, "")

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as nested tables, without what is not set."""
        return self.model_dump(mode="json", exclude_none=True)

    def to_toml(self) -> str:
        """Return the recipe as TOML that `load` reads back to an equal recipe."""
        import tomli_w

        return tomli_w.dumps(self.to_dict())

    def digest(self) -> str:
        """Return the hash that commits to the recipe."""
        return digest(self.to_dict())

    def replace(self, overrides: Mapping[str, Any]) -> Self:
        """Return a copy with dotted keys set to other values."""
        return type(self).of(self.to_dict(), overrides)


def _on_text(file: Path) -> dict[str, Any]:
    """Return the recipe of a text that somebody has: that of the Shakespeare text, on theirs."""
    values = tomllib.loads(available()["shakespeare"].read_text(encoding="utf-8"))
    about = f"Characters of {file.name}, by the recipe of tiny Shakespeare."
    kept = {key: value for key, value in values.items() if key != "expect"}
    return kept | {"name": file.stem, "about": about, "data": values["data"] | {"source": str(file)}}


def available() -> dict[str, Path]:
    """Return the recipes that come with the package, by name."""
    return {file.stem: file for folder in _BESIDE for file in sorted(folder.glob("*.toml"))}


def _find(path: str | Path) -> Path:
    file = Path(path)
    if file.is_file():
        return file
    shipped = available()
    name = str(path).removesuffix(".toml")
    if name in shipped:
        return shipped[name]
    close = difflib.get_close_matches(name, shipped, n=1)
    raise UsageError(
        f"there is no recipe {path}",
        f"did you mean {close[0]}?" if close else f"name a TOML file or one of {', '.join(shipped)}",
    )


BUDGETS = ("steps", "minutes", "epochs")


def _override(tables: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    table = tables
    for part in path:
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            raise UsageError(f"unknown key {key}", f"{part} is not a table")
        table = inner
    table[last] = value
    if path == ["train"] and last in BUDGETS:  # one budget replaces the others
        for other in set(BUDGETS) - {last}:
            table.pop(other, None)
