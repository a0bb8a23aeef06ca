"""Linear maps with weights of eight bits, by the processor kernels that come with PyTorch (FBGEMM, oneDNN).

Decoding one row is bound by the bytes of the weights, and a batch by products: both are a multiple faster than in
float32, and no further package is needed. Weights have one scale for each output, inputs one for each token (Dettmers
et al., "LLM.int8()", 2022); sums are exact, results float32. A few inputs are a hundred times the others (Sun et al.,
"Massive activations", 2024), and little of those would be left by rounding: they share their size with their weights
(`gatllm.models.smoothing`), and the maps back from the inner width multiply what rounding leaves of their inputs as
well. Where a processor or a PyTorch has no such kernels, `is_available` says so and models stay as they are.
"""

from __future__ import annotations

import json
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gatllm.models.smoothing import largest_inputs, smoothing

# Seven bits for inputs: without VNNI instructions, sums of two products of 8 and 8 bits overflow in 16 bits.
_LEVELS, _ZERO = 63, 64
_WIDE = 2  # inputs to an output, above which inputs are multiplied with twice the bits
FILE = "model.safetensors"


def is_available() -> bool:
    """Tell whether this PyTorch has the kernels for this processor."""
    return any(engine in torch.backends.quantized.supported_engines for engine in ("x86", "fbgemm")) and hasattr(
        torch.ops.quantized, "linear_with_input_q_dq_qweight_dq_output_fp32"
    )


class Int8Linear(nn.Module):
    """A linear map: weights (outputs, inputs) int8 with a scale for each output, bias float32 or None.

    ``smooth`` (inputs,): by what the weights were multiplied, so that inputs are divided by it; None: by nothing.
    """

    def __init__(self, weight: Tensor, scale: Tensor, bias: Tensor | None, smooth: Tensor | None = None) -> None:
        super().__init__()
        self._unsmooth: Tensor | None
        self.register_buffer("_unsmooth", None if smooth is None else 1 / smooth, persistent=False)
        self.out_features, self.in_features = weight.shape
        self._packed = _pack(weight, scale)
        self.bias = nn.Parameter(bias, requires_grad=False) if bias is not None else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., inputs) to (..., outputs)."""
        if self._unsmooth is not None:
            x = x * self._unsmooth
        most = x.abs().amax(-1, keepdim=True).clamp_min(1e-12)
        y = self._product(x / most) if self.in_features <= _WIDE * self.out_features else self._precise(x / most)
        y = y.mul_(most)
        return y if self.bias is None else y.add_(self.bias)

    def _precise(self, x: Tensor) -> Tensor:
        """The product with inputs of twice the bits: with what eight bits hold of them, and with what that leaves.

        Both are rows of one product, since the weights have to come from memory for either.
        """
        rounded = x.mul(_LEVELS).round_().div_(_LEVELS)
        left = (x - rounded).mul_(2 * _LEVELS)  # from -1 to 1 again
        y, more = self._product(torch.cat((rounded, left))).chunk(2)
        return y.add_(more, alpha=0.5 / _LEVELS)

    def _product(self, x: Tensor) -> Tensor:
        """Map (..., inputs) from -1 to 1, rounded to `_LEVELS`."""
        y: Tensor = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            x, 1 / _LEVELS, _ZERO, self._packed
        )
        return y


class Int8Embedding(nn.Module):
    """Rows of a table (tokens, width) of eight bits, each with its scale; ``smooth`` (width,) as in `Int8Linear`."""

    def __init__(self, weight: Tensor, scale: Tensor, smooth: Tensor | None = None) -> None:
        super().__init__()
        self._unsmooth: Tensor | None
        self.register_buffer("_unsmooth", None if smooth is None else 1 / smooth, persistent=False)
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (..., width) for token ids (...)."""
        rows: Tensor = self.weight[tokens].float() * self.scale[tokens][..., None]  # type: ignore[index]
        return rows if self._unsmooth is None else rows * self._unsmooth


def quantized(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return a matrix as int8 and the scale (outputs,) of each of its rows."""
    values = weight.float()
    scale = values.abs().amax(1).div(127).clamp_min(1e-12)
    return values.div(scale[:, None]).round_().clamp_(-127, 127).to(torch.int8), scale


def _pack(weight: Tensor, scale: Tensor) -> Any:
    zeros = torch.zeros(len(scale), dtype=torch.long)
    with warnings.catch_warnings():
        # These constructors are to leave PyTorch one day; `is_available` will be false then.
        warnings.simplefilter("ignore", UserWarning)
        tensor = torch._make_per_channel_quantized_tensor(weight.contiguous(), scale.double(), zeros, 0)
        return torch.ops.quantized.linear_prepack(tensor, None)


def weights_per_second() -> float:
    """Return how many weights a second one row is multiplied by on this machine, in a third of a second.

    Writing one answer is little else: a token takes as long as all weights of a model do.
    """
    outputs, inputs, count = 8960, 1536, 7  # the largest maps of the larger chat generator; 100 MB leave caches cold
    scale, row = torch.full((outputs,), 0.01), torch.ones(1, inputs)
    maps = [Int8Linear(torch.ones(outputs, inputs, dtype=torch.int8), scale, None) for _ in range(count)]
    best = [float("inf")] * count
    with torch.inference_mode():
        for _ in range(5):
            for at, each in enumerate(maps):
                began = time.perf_counter()
                each(row)
                # The best of each map: what the machine can do, whatever else it does for a moment.
                best[at] = min(best[at], time.perf_counter() - began)
    return count * outputs * inputs / sum(best)


def write_int8(model: Any, folder: Path, sample: Tensor | None = None) -> None:
    """Write a 🤗 causal model into ``folder``: linear maps and the embedding as eight bits, the rest as float32.

    Args:
        model: is not changed.
        folder: exists.
        sample: token ids (tokens,) of a text like those that it will read; None: nothing is smoothed.
    """
    from safetensors.torch import save_file

    largest = largest_inputs(model, sample) if sample is not None else {}
    tensors: dict[str, Tensor] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            weight = module.weight.detach().float()
            if name in largest:
                tensors[f"{name}.smooth"] = smooth = smoothing(largest[name], weight)
                weight = weight * smooth
            tensors[f"{name}.weight"], tensors[f"{name}.scale"] = quantized(weight)
            if isinstance(module, nn.Linear) and module.bias is not None:
                tensors[f"{name}.bias"] = module.bias.detach().float()
        elif not list(module.children()):
            tensors |= {f"{name}.{key}": value.detach().float() for key, value in module.named_parameters()}
    config = model.config
    if getattr(config, "tie_word_embeddings", False):  # one table: the head's
        table = next(name for name, module in model.named_modules() if isinstance(module, nn.Embedding))
        del tensors[f"{table}.weight"], tensors[f"{table}.scale"]
    save_file(tensors, folder / FILE, metadata={"format": "gatllm-int8"})
    config.save_pretrained(folder)
    if getattr(model, "generation_config", None) is not None:
        model.generation_config.save_pretrained(folder)


def read_int8(folder: Path) -> Any:
    """Return the model that `write_int8` wrote, ready to compute on the processor.

    Raises:
        OSError: a file is missing.
        ValueError, KeyError: the files are of something else.
    """
    from safetensors import safe_open
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    config.dtype = torch.float32
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    with safe_open(folder / FILE, framework="pt") as file:  # mapped: what is packed needs no second copy in memory
        names = set(file.keys())

        def optional(name: str) -> Tensor | None:
            return file.get_tensor(name) if name in names else None

        head = next(name for name, module in model.named_modules() if module is model.get_output_embeddings())
        for name, module in list(model.named_modules()):
            if isinstance(module, nn.Linear):
                weight, scale = file.get_tensor(f"{name}.weight"), file.get_tensor(f"{name}.scale")
                made = Int8Linear(weight, scale, optional(f"{name}.bias"), optional(f"{name}.smooth"))
                model.set_submodule(name, made)
            elif isinstance(module, nn.Embedding):
                own = name if f"{name}.weight" in names else head
                weight, scale = file.get_tensor(f"{own}.weight"), file.get_tensor(f"{own}.scale")
                model.set_submodule(name, Int8Embedding(weight, scale, optional(f"{own}.smooth")))
            elif not list(module.children()):
                for key, _ in list(module.named_parameters(recurse=False)):
                    parameter = nn.Parameter(file.get_tensor(f"{name}.{key}").clone(), requires_grad=False)
                    setattr(module, key, parameter)
    _rebuild_buffers(model)
    if (folder / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(folder, local_files_only=True)
    return model.eval()


def is_packed(model: nn.Module) -> bool:
    """Tell whether a model's linear maps have weights of eight bits."""
    return any(isinstance(module, Int8Linear) for module in model.modules())


def is_int8(folder: Path) -> bool:
    """Tell whether a folder holds what `write_int8` writes."""
    try:
        with (folder / FILE).open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(size, 1 << 24)))
    except (OSError, ValueError):
        return False
    return isinstance(header, dict) and header.get("__metadata__") == {"format": "gatllm-int8"}


def _rebuild_buffers(model: Any) -> None:
    """Compute what no file holds (the rotary frequencies): a model made without memory has it without values."""
    for name, module in list(model.named_modules()):
        if any(buffer.is_meta for buffer in module.buffers(recurse=False)):
            model.set_submodule(name, type(module)(config=model.config))
