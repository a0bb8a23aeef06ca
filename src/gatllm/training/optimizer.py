"""Muon for the weight matrices and AdamW for the rest, or AdamW for all; their state as named tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gatllm.errors import GatllmError
from gatllm.training.distributed import shard_like
from gatllm.training.muon import Muon
from gatllm.training.schedule import rate
from gatllm.training.tables import TrainTable


class Optimizer:
    """The optimisers of one model, as one: same schedule, one state.

    ``muon`` orthogonalises the momentum of the matrices inside the network (Jordan et al. 2024); embeddings, vectors
    and output heads go to AdamW (Loshchilov & Hutter 2019), as its authors advise. ``products`` is the format of Muon's
    matrix products.
    """

    def __init__(self, model: nn.Module, train: TrainTable, *, products: torch.dtype = torch.bfloat16) -> None:
        self.train = train
        self.names: dict[Tensor, str] = {
            parameter: name for name, parameter in model.named_parameters() if parameter.requires_grad
        }
        matrices = _matrices(model) if train.optimizer == "muon" else set()
        hidden = [parameter for parameter in self.names if parameter in matrices]
        rest = [parameter for parameter in self.names if parameter not in matrices]
        self.parts: list[tuple[torch.optim.Optimizer, float]] = []  # (optimiser, peak rate)
        if hidden:
            muon = Muon(
                hidden, lr=train.matrix_lr, momentum=train.momentum, weight_decay=train.weight_decay, nesterov=True
            )
            muon.products = products
            self.parts.append((muon, train.matrix_lr))
        if rest:
            decayed = [parameter for parameter in rest if parameter.ndim >= 2]
            plain = [parameter for parameter in rest if parameter.ndim < 2]
            groups: list[dict[str, Any]] = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
            adam = torch.optim.AdamW(
                [group for group in groups if group["params"]],
                lr=train.lr,
                betas=train.betas,
                eps=1e-10 if train.optimizer == "muon" else 1e-8,
                weight_decay=train.weight_decay,
                fused=True,
            )
            self.parts.append((adam, train.lr))

    def set_rates(self, progress: float) -> float:
        """Set the rates of ``progress`` and return AdamW's."""
        fraction = rate(self.train, progress)
        for optimizer, peak in self.parts:
            for group in optimizer.param_groups:
                group["lr"] = peak * fraction
        return self.train.lr * fraction

    def step(self) -> None:
        """Update the weights."""
        for optimizer, _ in self.parts:
            optimizer.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for optimizer, _ in self.parts:
            optimizer.zero_grad(set_to_none=True)

    def tensors(self) -> dict[str, Tensor]:
        """Return the state as ``key/parameter name`` → tensor."""
        return {
            f"{key}/{self.names[parameter]}": value.detach()
            for optimizer, _ in self.parts
            for parameter, state in optimizer.state.items()
            for key, value in state.items()
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` returned.

        Raises:
            GatllmError: a tensor belongs to no parameter: another model or optimiser wrote the state.
        """
        homes = {self.names[p]: (o, p) for o, _ in self.parts for group in o.param_groups for p in group["params"]}
        for name, tensor in tensors.items():
            key, _, parameter_name = name.partition("/")
            if parameter_name not in homes:
                raise GatllmError(f"the checkpoint's {name} fits no weight of this model", "resume with its own recipe")
            optimizer, parameter = homes[parameter_name]
            optimizer.state[parameter][key] = shard_like(parameter, tensor.clone())


def _matrices(model: nn.Module) -> set[Tensor]:
    """Return the weights of the linear maps inside the blocks: no embedding, no output head."""
    blocks = [block for module in model.modules() if isinstance(module, nn.ModuleList) for block in module]
    inner = [module for block in blocks for module in block.modules() if isinstance(module, nn.Linear)]
    return {module.weight for module in inner}
