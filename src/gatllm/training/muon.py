"""PyTorch's Muon with the orthogonalisation of like matrices in one go.

Its Newton-Schulz iteration is fifteen small matrix products for each weight matrix, one after the other, which on a
processor took a third of a whole training step; stacked by shape they take less than half of that (`dev/LOG.md`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

_MOST = 1 << 25  # elements of one stack


class Muon(torch.optim.Muon):
    """`torch.optim.Muon` (Jordan et al. 2024): the same update, state and options; sharded weights go its own way.

    ``products`` is the format of its matrix products. bf16 is enough for them, but a processor without bf16 units takes
    40 times as long for a product in it as in fp32.
    """

    products = torch.bfloat16

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update the weights that have a gradient."""
        parameters = [p for group in self.param_groups for p in group["params"]]
        if closure is not None or any(isinstance(p, DTensor) for p in parameters):
            return super().step(closure)  # type: ignore[no-any-return, no-untyped-call]
        for group in self.param_groups:
            stacks: dict[tuple[int, int], list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    rows, columns = sorted(parameter.shape)
                    stacks.setdefault((rows, columns), []).append(parameter)
            for (rows, columns), alike in stacks.items():
                most = max(1, _MOST // (rows * columns))
                for start in range(0, len(alike), most):
                    self._update(group, alike[start : start + most])
        return None

    def _update(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        """Update matrices of one shape, or of its transpose."""
        moments = []
        for parameter in parameters:
            state = self.state[parameter]
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(parameter)
            buffer = state["momentum_buffer"]
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            buffer.lerp_(gradient, 1 - group["momentum"])
            moments.append(gradient.lerp(buffer, group["momentum"]) if group["nesterov"] else buffer)
        flat = [moment.T if moment.shape[0] > moment.shape[1] else moment for moment in moments]
        updates = orthogonalise(
            torch.stack(flat), group["ns_coefficients"], group["ns_steps"], group["eps"], self.products
        )
        for parameter, update in zip(parameters, updates, strict=True):
            rows, columns = parameter.shape
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            lr = group["lr"] * math.sqrt(max(1.0, rows / columns))
            parameter.add_(update.T if rows > columns else update, alpha=-lr)


def orthogonalise(
    matrices: Tensor,
    coefficients: tuple[float, float, float],
    steps: int = 5,
    epsilon: float = 1e-7,
    products: torch.dtype = torch.bfloat16,
) -> Tensor:
    """Return matrices (count, rows, columns) with their singular values brought near to 1; rows <= columns.

    A quintic Newton-Schulz iteration (Jordan et al. 2024).
    """
    a, b, c = coefficients
    norms = matrices.flatten(1).norm(dim=1).clamp(min=epsilon)[:, None, None]
    x: Tensor = (matrices / norms).to(products)
    for _ in range(steps):
        gram = torch.bmm(x, x.mT)
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        polynomial.diagonal(dim1=1, dim2=2).add_(a)
        x = torch.bmm(polynomial, x)
    return x
