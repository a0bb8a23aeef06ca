"""From a recipe to its objective, whose module is imported only then: it needs torch, a recipe doesn't."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from gatllm.progress import Report, silent
from gatllm.training.recipe import Recipe

if TYPE_CHECKING:
    from gatllm.tokenizers import Tokenizer
    from gatllm.training.objectives.protocol import Objective


def prepare(recipe: Recipe, tokenizer: Tokenizer | None = None, report: Report = silent) -> Objective:
    """Read, split and encode the recipe's data; train its tokenizer unless one is given (as on resume).

    Raises:
        GatllmError: the data is missing, empty or too short.
    """
    module = importlib.import_module(f"gatllm.training.objectives.{recipe.objective}")
    return cast("Objective", module.prepare(recipe, tokenizer, report))
