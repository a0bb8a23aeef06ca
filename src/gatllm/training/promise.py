"""The promise before training: data and plan are committed to in public, and a later block's hash gives the seed.

`plan.json` in the run folder is what was promised, with the salt that hides it until the run is registered. It is there
before the promise is sent, so that a run that is killed between promise and training continues with the same plan, and
so with the same promise.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gatllm.records import canonical_bytes, digest, write_file
from gatllm.training.recipe import Recipe

PLAN = "plan.json"


class Promised(NamedTuple):
    """What a promise gave: the hash of a later block, which nobody could know before, and who promised."""

    block: str
    trainer: str


# Takes the data's root, the plan's hash and a salt, and promises them in public, hidden by the salt.
Commit = Callable[[str, str, str], Promised]
Promise = Callable[[str, Mapping[str, Any]], tuple[Promised, str]]


def promising(folder: Path, commit: Commit) -> Promise:
    """Return what promises a data root and a whole plan by ``commit``, and leaves ``plan.json`` in ``folder``.

    It returns what the promise gave, and its salt.
    """

    def promise(data_root: str, plan: Mapping[str, Any]) -> tuple[Promised, str]:
        salt = _salt_before(folder, data_root, plan) or secrets.token_hex(32)
        write_file(folder / PLAN, canonical_bytes({"data_root": data_root, "plan": plan, "salt": salt}) + b"\n")
        return commit(data_root, digest(plan), salt), salt

    return promise


def _salt_before(folder: Path, data_root: str, plan: Mapping[str, Any]) -> str:
    """Return the salt of an interrupted promise of the same; an empty string where there is none."""
    try:
        then = json.loads((folder / PLAN).read_bytes())
        same = (then["data_root"], digest(then["plan"])) == (data_root, digest(plan))
        return str(then["salt"]) if same and len(bytes.fromhex(then["salt"])) == 32 else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


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
