"""Objectives by name, and the type of the ``[data]`` table of each; none of them is imported here."""

from __future__ import annotations

from gatllm.errors import UsageError
from gatllm.training.objectives.data_tables import (
    ChatTable,
    PairTable,
    PolicyTable,
    PreferenceTable,
    TaggingTable,
    TextTable,
)
from gatllm.training.tables import Table

# name → its [data] table; the module of the same name holds `prepare(recipe, tokenizer, report) -> Objective`.
_TABLES: dict[str, type[Table]] = {
    "causal": TextTable,
    "chat": ChatTable,
    "policy": PolicyTable,
    "preference": PreferenceTable,
    "seq2seq": PairTable,
    "tagging": TaggingTable,
}


def data_table(objective: str) -> type[Table]:
    """Return the type of the ``[data]`` table of an objective.

    Raises:
        UsageError: there is no such objective.
    """
    if objective not in _TABLES:
        raise UsageError(f"there is no objective {objective!r}", f"choose one of {', '.join(_TABLES)}")
    return _TABLES[objective]
