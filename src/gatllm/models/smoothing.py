"""Sharing the unevenness of inputs with the weights they meet, before both are rounded to eight bits.

SmoothQuant (Xiao et al., 2023): y = (x / s) (s w), with s the square root of the largest input over the largest weight.
The model stays the same; what rounding takes from it becomes a fraction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gatllm.models.chat_format import ChatFormat

if TYPE_CHECKING:
    from torch import Tensor, nn

_LEAST = 1e-5
_ASKED = "Write a function that counts the words of each line of a text file."
_ANSWERED = '''Here it is:

```python
from pathlib import Path


def words_of_lines(path: str) -> list[int]:
    """Return how many words each line has."""
    counts = []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        if not line.strip():
            counts.append(0)
            continue
        counts.append(len(line.split()))
    return counts


print(words_of_lines("notes.txt"))  # [3, 0, 12]
```

An empty line has none.'''


def sample_of(tokenizer: Any) -> Tensor:
    """Return token ids (tokens,) of a question and its answer with code: sizes of inputs are taken from it."""
    import torch

    form = ChatFormat(tokenizer)
    return torch.tensor([*form.encode([{"role": "user", "content": _ASKED}]), *form.encode_text(form.lead + _ANSWERED)])


def largest_inputs(model: Any, sample: Tensor) -> dict[str, Tensor]:
    """Return the largest size (inputs,) of each input of a model's linear maps, as it reads a sample (tokens,).

    Of a sample longer than the model's positions the beginning is read.
    """
    import torch
    from torch import nn

    found: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            found[name] = inputs[0].detach().float().abs().flatten(0, -2).amax(0)

        return hook

    maps = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    hooks = [module.register_forward_pre_hook(keep(name)) for name, module in maps]
    try:
        with torch.inference_mode():
            model(sample[None, : getattr(model.config, "max_position_embeddings", None)].to(model.device))
    finally:
        for one in hooks:
            one.remove()
    return found


def smoothing(largest: Tensor, weight: Tensor) -> Tensor:
    """Return by what (inputs,) to multiply weights (outputs, inputs), and to divide the inputs they meet."""
    return (largest.clamp_min(_LEAST) / weight.abs().amax(0).clamp_min(_LEAST)).sqrt()
