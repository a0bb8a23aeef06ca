"""The promise before training: data and plan are named in public, and a later block's hash gives the seed.

`plan.json` in the run folder is what was promised. It is there before the promise is sent, so that a run that is killed
between promise and training goes on with the same plan, and so with the same promise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gatllm.records import canonical_bytes, digest, write_file
from gatllm.training.recipe import Recipe

PLAN = "plan.json"

# Takes the data's root and the plan's hash, promises them in public, and returns what nobody could know before: the
# hash of a later block.
Commit = Callable[[str, str], str]
Promise = Callable[[str, Mapping[str, Any]], str]


def promising(folder: Path, commit: Commit) -> Promise:
    """Return what promises a data root and a whole plan by ``commit``, and leaves ``plan.json`` in ``folder``."""

    def promise(data_root: str, plan: Mapping[str, Any]) -> str:
        write_file(folder / PLAN, canonical_bytes({"data_root": data_root, "plan": plan}) + b"\n")
        return commit(data_root, digest(plan))

    return promise


def probed_before(folder: Path, recipe: Recipe) -> dict[str, Any]:
    """Return the number format and the threads that an interrupted promise was made with, where the recipe leaves
    them open: probed again they could differ."""
    try:
        then = json.loads((folder / PLAN).read_bytes())["plan"]["environment"]
        found = {"dtype": str(then["dtype"]), "threads": int(then["threads"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    left_open = {"dtype": recipe.train.precision == "auto", "threads": recipe.train.threads == 0}
    return {name: value for name, value in found.items() if left_open[name]}
