"""From a run folder to a tagger: with torch, or without it where the model allows."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from gatllm.errors import GatllmError
from gatllm.review.alarm import FILE_NAME, Alarm
from gatllm.review.forward import NumpyForward, TorchForward, torch_is_there
from gatllm.review.tagger import Tagger
from gatllm.review.tags import TAGS
from gatllm.tokenizers.lexicon import Lexicon

_OTHER = "name a run of recipes/discriminator.toml"


def load_tagger(run: Path, *, quick: bool) -> Tagger:
    """Load a discriminator; ``quick`` prefers numpy unless torch is in memory already.

    Raises:
        GatllmError: the folder holds no discriminator, is damaged, or was made for other tags.
    """
    config = _config(run)
    if config.get("kind") != "discriminator":
        raise GatllmError(f"{run} holds no discriminator", _OTHER)
    if config.get("tags") != len(TAGS):
        message = f"the discriminator in {run} knows {config.get('tags')} tags, this version {len(TAGS)}"
        raise GatllmError(message, "train it again")
    if quick and not torch_is_there() and NumpyForward.fits(config):
        return Tagger(NumpyForward(config, _weights(run)), _lexicon(run), int(config["context"]))
    from gatllm.models import Discriminator, load_run

    loaded = load_run(run)
    if not isinstance(loaded.model, Discriminator) or not isinstance(loaded.tokenizer, Lexicon):
        raise GatllmError(f"{run} holds no discriminator", _OTHER)
    return Tagger(TorchForward(loaded.model), loaded.tokenizer, loaded.model.config.context)


def load_alarm(run: Path) -> Alarm | None:
    """Load when a text counts as fake to a run; None where it has none.

    Raises:
        GatllmError: it is damaged.
    """
    try:
        return Alarm.from_json((run / FILE_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def _config(run: Path) -> dict[str, Any]:
    try:
        config = tomllib.loads((run / "recipe.toml").read_text(encoding="utf-8")).get("model")
    except FileNotFoundError:
        raise GatllmError(f"{run} is not a run folder", _OTHER) from None
    except (OSError, ValueError) as error:
        raise GatllmError(f"{run / 'recipe.toml'} is damaged: {error}", "restore it or train again") from None
    return config if isinstance(config, dict) else {}


def _lexicon(run: Path) -> Lexicon:
    try:
        return Lexicon.from_json((run / "tokenizer.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise GatllmError(f"{run / 'tokenizer.json'} can't be read: {error}", "restore it or train again") from None


def _weights(run: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(run / "model.safetensors"))
    except (OSError, SafetensorError) as error:
        raise GatllmError(f"{run / 'model.safetensors'} can't be read: {error}", "restore it or train again") from None
