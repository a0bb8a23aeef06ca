"""Several processes that train one model: started by `torchrun`, one process for each device."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch import distributed as dist

from gatllm.training.tables import TrainTable


class Team:
    """The processes of a run: alone by default; every method then does nothing that costs time."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank = rank
        self.size = size

    @property
    def leads(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def sum(self, value: float) -> float:
        """Return the sum of ``value`` over all processes."""
        if self.size == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64)
        dist.all_reduce(total)
        return float(total)

    def agree(self, value: float) -> float:
        """Return the first process's ``value`` everywhere: the time and interruptions are its to judge."""
        if self.size == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64)
        dist.broadcast(shared, 0)
        return float(shared)

    def any(self, value: bool) -> bool:
        """Tell whether ``value`` holds in some process."""
        return self.sum(float(value)) > 0

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.size > 1:
            dist.barrier()

    def wrap(self, model: nn.Module, train: TrainTable) -> nn.Module:
        """Return what forward passes call: gradients are averaged over the processes.

        ``ddp`` keeps a copy of the model in each process (Li et al. 2020); ``fsdp`` shards weights, gradients and
        optimiser state over them (Zhao et al. 2023; PyTorch's ``fully_shard``) and changes ``model`` in place.
        """
        if self.size == 1:
            return model
        if train.parallel == "ddp":
            return nn.parallel.DistributedDataParallel(model)
        from torch.distributed.fsdp import fully_shard

        for module in model.modules():
            if isinstance(module, nn.ModuleList):
                for block in module:
                    fully_shard(block)
        fully_shard(model)
        return model

    def synchronising(self, model: nn.Module, last: bool) -> AbstractContextManager[None]:
        """Return a context in which gradients are exchanged only after the ``last`` pass of an update."""
        if isinstance(model, nn.parallel.DistributedDataParallel):
            return nullcontext() if last else model.no_sync()
        if self.size > 1:
            model.set_requires_gradient_sync(last)  # type: ignore[operator]  # fully_shard adds it
        return nullcontext()

    def gather(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors whole: shards are collected from all processes."""
        return {name: whole(tensor) for name, tensor in tensors.items()}


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor without its sharding."""
    if hasattr(tensor, "full_tensor"):
        full: Tensor = tensor.full_tensor()
        return full
    return tensor


def shard_like(model_tensor: Tensor, tensor: Tensor) -> Tensor:
    """Return ``tensor`` placed (and sharded) as ``model_tensor`` is."""
    if hasattr(model_tensor, "full_tensor") and tensor.ndim:
        from torch.distributed.tensor import distribute_tensor

        mesh, placements = model_tensor.device_mesh, model_tensor.placements  # type: ignore[attr-defined]
        return distribute_tensor(tensor, mesh, placements)
    return tensor.to(model_tensor.device) if tensor.ndim else tensor


@contextmanager
def assembled() -> Iterator[Team]:
    """Yield the team that `torchrun` started (its environment variables say so), or one process alone."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or dist.is_initialized():
        yield Team(dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else Team()
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("cpu:gloo,cuda:nccl")
    else:
        dist.init_process_group("gloo")
    try:
        yield Team(dist.get_rank(), size)
    finally:
        dist.destroy_process_group()
