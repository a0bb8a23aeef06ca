"""A trained model by the name of its run folder."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatllm.errors import GatllmError
from gatllm.models.build import Model, build
from gatllm.models.config import config_from_dict
from gatllm.models.device import choose_device
from gatllm.models.weights import load_weights, put_weights

if TYPE_CHECKING:
    from gatllm.tokenizers import Tokenizer  # type: ignore[attr-defined,unused-ignore]


@dataclass(frozen=True)
class LoadedRun:
    """What a run folder holds: a model in evaluation mode, its tokenizer and its recipe."""

    model: Model
    tokenizer: Tokenizer
    recipe: dict[str, Any]
    path: Path


def load_run(folder: str | Path, *, device: str = "cpu") -> LoadedRun:
    """Load the run in ``folder``.

    Raises:
        GatllmError: a file of the folder is missing or damaged, the weights don't fit the recipe, or the tokenizer is
            another one.
        UsageError: this machine has no such device.
    """
    from gatllm.tokenizers import load as load_tokenizer  # type: ignore[attr-defined,unused-ignore]

    path = Path(folder)
    if not path.is_dir():
        raise GatllmError(f"{path} is not a run folder", "name a folder that `gatllm train` made")
    recipe = read_recipe(path)
    if recipe["model"].get("kind") == "pretrained":
        raise GatllmError(f"{path} is a pretrained model, trained further", "open it with models.tuned.load_lm")
    model = build(config_from_dict(recipe["model"]))
    put_weights(model, load_weights(path / "model.safetensors"), str(path / "model.safetensors"))
    tokenizer_path = path / "tokenizer.json"
    if not tokenizer_path.is_file():
        raise GatllmError(f"{tokenizer_path} is missing", "a run needs the tokenizer that it was trained with")
    tokenizer = load_tokenizer(tokenizer_path)
    if tokenizer.size > model.config.vocabulary:
        raise GatllmError(
            f"{tokenizer_path} has {tokenizer.size} tokens, the model {model.config.vocabulary}",
            "restore the tokenizer that the run was trained with",
        )
    _check_committed(path, tokenizer)
    return LoadedRun(model.to(choose_device(device)).eval(), tokenizer, recipe, path)


def _check_committed(folder: Path, tokenizer: Tokenizer) -> None:
    """Refuse a tokenizer of the right size that is not the one that the log begins with."""
    try:
        with (folder / "log.jsonl").open(encoding="utf-8") as log:
            committed = json.loads(log.readline())["commitments"]["tokenizer"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # a copy without its log, or another's: verifying is for `gatllm proof verify`
    if committed != tokenizer.fingerprint():
        raise GatllmError(
            f"{folder / 'tokenizer.json'} is not the tokenizer that the run was trained with", "restore that one"
        )


def read_recipe(folder: Path) -> dict[str, Any]:
    """Return the resolved recipe of a run.

    Raises:
        GatllmError: `recipe.toml` is missing, damaged or has no `[model]` table.
    """
    path = folder / "recipe.toml"
    try:
        recipe = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise GatllmError(f"{path} is missing", "name a folder that `gatllm train` made") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise GatllmError(f"{path} is damaged: {error}", "restore it or train again") from None
    if not isinstance(recipe.get("model"), dict):
        raise GatllmError(f"{path} has no [model] table", "name a folder that `gatllm train` made")
    return recipe
