"""What a model's layers make of a text: the hidden states that linear probes read."""

from __future__ import annotations

from collections.abc import Sequence
from threading import get_ident
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class _ReadFar(Exception):  # noqa: N818  # not an error: the deepest layer that was asked for has been read
    pass


def layer_states(model: Any, tokens: Sequence[int], layers: Sequence[int]) -> dict[int, torch.Tensor]:
    """Return for each of some ``layers`` (1 is the first) the states (tokens, width) behind it, in float32.

    The layers above the deepest of them are not computed.

    Args:
        model: a 🤗 decoder whose blocks are ``model.base_model.layers``.
        tokens: one at least.
        layers: one at least.
    """
    import torch

    found: dict[int, torch.Tensor] = {}
    deepest, mine = max(layers), get_ident()

    def keep(layer: int) -> Any:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            if get_ident() != mine:  # another thread reads with the same model
                return
            found[layer] = (output[0] if isinstance(output, tuple) else output)[0].float()
            if layer == deepest:
                raise _ReadFar

        return hook

    blocks = model.base_model.layers
    hooks = [blocks[layer - 1].register_forward_hook(keep(layer)) for layer in set(layers)]
    try:
        with torch.inference_mode():
            model.base_model(input_ids=torch.tensor([list(tokens)], device=model.device), use_cache=False)
    except _ReadFar:
        pass
    finally:
        for hook in hooks:
            hook.remove()
    return found
