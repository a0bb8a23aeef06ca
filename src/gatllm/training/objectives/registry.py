"""Objectives by name. The module of an objective is imported when it is used: it needs torch, a recipe doesn't."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from gatllm.errors import UsageError
from gatllm.progress import Report, silent
from gatllm.training.objectives.data_tables import PairTable, TaggingTable, TextTable
from gatllm.training.tables import Table

if TYPE_CHECKING:
    from gatllm.tokenizers import Tokenizer
    from gatllm.training.objectives.protocol import Objective
    from gatllm.training.recipe import Recipe

# name → its [data] table; the module of the same name holds `prepare(recipe, tokenizer, report) -> Objective`.
_TABLES: dict[str, type[Table]] = {"causal": TextTable, "seq2seq": PairTable, "tagging": TaggingTable}


def data_table(objective: str) -> type[Table]:
    """Return the type of the ``[data]`` table of an objective.

    Raises:
        UsageError: there is no such objective.
    """
    if objective not in _TABLES:
        raise UsageError(f"there is no objective {objective!r}", f"choose one of {', '.join(_TABLES)}")
    return _TABLES[objective]


def prepare(recipe: Recipe, tokenizer: Tokenizer | None = None, report: Report = silent) -> Objective:
    """Read, split and encode the recipe's data; train its tokenizer unless one is given (as on resume).

    Raises:
        GatllmError: the data is missing, empty or too short.
    """
    module = importlib.import_module(f"gatllm.training.objectives.{recipe.objective}")
    return cast("Objective", module.prepare(recipe, tokenizer, report))
