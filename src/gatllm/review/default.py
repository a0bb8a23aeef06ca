"""Which discriminator is used when none is named: the shipped one, else the newest trained one, else none at all."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path

from gatllm.review.reviewer import Reviewer

SHIPPED = Path(__file__).with_name("weights")


def find_run(runs: Path = Path("runs")) -> Path | None:
    """Return the shipped weights, else the newest finished discriminator run below ``runs``, else None."""
    if (SHIPPED / "model.safetensors").is_file():
        return SHIPPED
    found = [path.parent for path in runs.glob("**/recipe.toml") if _is_discriminator(path)]
    return max(found, key=lambda path: (path / "model.safetensors").stat().st_mtime, default=None)


def _is_discriminator(recipe: Path) -> bool:
    try:
        model = tomllib.loads(recipe.read_text(encoding="utf-8")).get("model", {})
    except (OSError, ValueError):
        return False
    return (
        isinstance(model, dict)
        and model.get("kind") == "discriminator"
        and (recipe.parent / "model.safetensors").is_file()
    )


def load_reviewer(run: Path | str | None = None, *, quick: bool = False) -> Reviewer:
    """Return a reviewer for ``run``, or for what `find_run` finds; one without a model where there is none.

    ``quick`` computes without torch where that is possible: ready at once, slower for much text.

    Raises:
        GatllmError: the run is damaged or holds no discriminator.
    """
    path = Path(run) if run is not None else find_run()
    return Reviewer() if path is None else _load(path.resolve(), quick)


@lru_cache(maxsize=2)
def _load(path: Path, quick: bool) -> Reviewer:
    return Reviewer.load(path, quick=quick)
