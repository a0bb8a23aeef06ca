"""Weights on disk: safetensors, a tensor shared under two names stored once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from gatllm.errors import GatllmError
from gatllm.records import write_file

_ALIASES = "aliases"


def save_weights(path: Path, state_dict: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write ``state_dict`` as safetensors, whole or not at all.

    Raises:
        GatllmError: the disk refuses.
    """
    from safetensors.torch import save

    first: dict[tuple[int, tuple[int, ...], tuple[int, ...]], str] = {}
    tensors: dict[str, Tensor] = {}
    aliases: dict[str, str] = {}
    for name in sorted(state_dict):
        tensor = state_dict[name].detach()
        place = (tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride()))
        if tensor.numel() and place in first:
            aliases[name] = first[place]
            continue
        first[place] = name
        tensors[name] = tensor.contiguous()
    # Transformers refuses metadata that don't name a framework.
    about = {"format": "pt", **(metadata or {}), **({_ALIASES: json.dumps(aliases, sort_keys=True)} if aliases else {})}
    write_file(path, save(tensors, metadata=about))


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read what `save_weights` wrote, shared tensors shared again.

    Raises:
        GatllmError: the file is missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise GatllmError(f"{path} is missing", "train the model first, or name its run folder")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            aliases = json.loads((file.metadata() or {}).get(_ALIASES, "{}"))
        return tensors | {alias: tensors[name] for alias, name in aliases.items()}
    except (SafetensorError, ValueError, KeyError, OSError) as error:
        raise GatllmError(f"{path} is damaged: {error}", "restore it from a checkpoint or train again") from None


def put_weights(model: nn.Module, state_dict: Mapping[str, Tensor], origin: str) -> None:
    """Load ``state_dict`` into ``model``.

    Args:
        model: what to fill.
        state_dict: exactly the tensors of the model.
        origin: where they come from, for the error.

    Raises:
        GatllmError: a tensor is missing, unknown or of another shape.
    """
    wanted = model.state_dict()
    problems = [f"{name} is missing" for name in sorted(wanted.keys() - state_dict.keys())]
    problems += [f"{name} is unknown" for name in sorted(state_dict.keys() - wanted.keys())]
    problems += [
        f"{name} is {tuple(state_dict[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in state_dict and state_dict[name].shape != tensor.shape
    ]
    if problems:
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise GatllmError(f"{origin} doesn't fit the model: {problems[0]}{more}", "use the weights of this very recipe")
    model.load_state_dict(dict(state_dict))
