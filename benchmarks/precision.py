"""What weights and inputs of eight bits change in a generator's predictions, beside full precision.

    python benchmarks/precision.py [--model default] [--texts 8]

Each text is a function of the standard library, read at once; compared are the distributions of the next token. Mean
Kullback-Leibler divergence in nats, its maximum, and how often both put the same token first. Beside what ships: eight
bits as they come, neither smoothed nor with remainders (the trivial form), and eight bits for the weights alone, whose
inputs stay float32 (what no kernel for eight bits can do better than). Prints a table and one JSON line.
"""

from __future__ import annotations

import argparse
import inspect
import json
import shutil
import statistics
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gatllm.models import int8
from gatllm.models.pretrained import PretrainedLM

FUNCTIONS = (
    statistics.quantiles, shutil.copyfile, textwrap.shorten, json.dumps, inspect.cleandoc, statistics.median_grouped,
    shutil.which, inspect.getcomments,
)  # fmt: skip
LONGEST = 300  # tokens


class WeightsOnly(nn.Module):
    """A linear map whose weights were rounded to eight bits, inputs and sums as they are."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight, scale = int8.quantized(linear.weight.detach())
        self.weight, self.bias = weight.float() * scale[:, None], linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., inputs) to (..., outputs)."""
        return nn.functional.linear(x, self.weight, self.bias)


def predictions(model: Any, texts: list[Tensor]) -> Tensor:
    """Return the log-probabilities (tokens, vocabulary) of what follows each token."""
    with torch.inference_mode():
        return torch.cat([model(text[None]).logits[0].float().log_softmax(-1) for text in texts])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="default")
    parser.add_argument("--texts", type=int, default=len(FUNCTIONS))
    options = parser.parse_args()
    name = None if options.model == "default" else options.model
    full = PretrainedLM.load(name, dtype="float32")
    texts = [
        torch.tensor(full.tokenizer(inspect.getsource(function)).input_ids[:LONGEST])
        for function in FUNCTIONS[: options.texts]
    ]
    wanted = predictions(full.model, texts)

    def plain() -> Any:
        int8._WIDE = 1 << 30  # no map is wide
        with tempfile.TemporaryDirectory() as place:
            int8.write_int8(full.model, Path(place))
            return int8.read_int8(Path(place))

    def weights_only() -> Any:
        for place, module in list(full.model.named_modules()):
            if isinstance(module, nn.Linear):
                full.model.set_submodule(place, WeightsOnly(module))
        return full.model

    sides: dict[str, Callable[[], Any]] = {
        "ships": lambda: PretrainedLM.load(name, dtype="int8").model,
        "plainly rounded": plain,
        "weights alone": weights_only,
    }
    found = {}
    print(f"{len(texts)} functions, {len(wanted)} tokens")
    for title, made in sides.items():
        said = predictions(made(), texts)
        divergence = (wanted.exp() * (wanted - said)).sum(-1)
        same = float((said.argmax(-1) == wanted.argmax(-1)).float().mean())
        found[title] = {"mean": float(divergence.mean()), "most": float(divergence.max()), "same": same}
        print(f"{title:20} KL {divergence.mean():.5f} (at most {divergence.max():.3f}), same first token {same:.1%}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
