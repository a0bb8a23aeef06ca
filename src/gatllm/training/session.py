"""A model in training: weights, optimiser, averaged weights and the number of updates so far."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gatllm.errors import GatllmError
from gatllm.models import put_weights
from gatllm.training.allocator import keep_freed_memory
from gatllm.training.distributed import Team, shard_like, whole
from gatllm.training.fixed_order import fixed_order
from gatllm.training.objectives.protocol import Batch, Objective
from gatllm.training.optimizer import Optimizer
from gatllm.training.precision import Precision
from gatllm.training.recipe import Recipe
from gatllm.training.seeds import derive


class NotFiniteError(Exception):
    """The loss or its gradient is not finite."""


@dataclass(frozen=True)
class StepResult:
    """One update: ``step`` counts updates from 1; ``parts`` are the means of all losses of the objective.

    ``grad_norm`` is None where fp16 gradients overflowed: the weights are as before, the next scale is smaller.
    """

    step: int
    loss: float
    parts: Mapping[str, float]
    grad_norm: float | None
    lr: float
    tokens: int


class Session:
    """What a checkpoint holds, and the one function that changes it: `advance`."""

    def __init__(
        self, recipe: Recipe, objective: Objective, model: nn.Module, precision: Precision, team: Team | None = None
    ) -> None:
        self.recipe = recipe
        self.objective = objective
        self.precision = precision
        self.team = team or Team()
        if precision.device.type == "cpu":
            keep_freed_memory()
        self.model = model.to(precision.device)
        self.wrapped = self.team.wrap(self.model, recipe.train)
        self.forward = self.wrapped
        if self._compiles(recipe):
            self.forward = torch.compile(self.wrapped)  # type: ignore[assignment]
        self.in_fixed_order = bool(recipe.determinism and recipe.determinism.fixed_order)
        # The probe takes fp32 where the processor has no units for bf16; a pinned run is the same on all of them.
        plain = precision.name == "fp32" and not (recipe.determinism and recipe.determinism.pinned)
        products = torch.float32 if plain else torch.bfloat16
        self.optimizer = Optimizer(self.model, recipe.train, products=products)
        self.scaler = torch.amp.GradScaler(precision.device.type, enabled=precision.name == "fp16")
        self.average: dict[str, Tensor] = {}
        if recipe.train.ema:
            self.average = {name: parameter.detach().clone() for name, parameter in self.model.named_parameters()}
        self.step = 0
        self.tokens = 0

    def _compiles(self, recipe: Recipe) -> bool:
        """Tell whether `torch.compile` pays: at most 10 % on processors, and each new length compiles anew."""
        if recipe.train.compile == "auto":
            return self.precision.device.type == "cuda" and recipe.objective == "causal"
        return recipe.train.compile == "on"

    def batches(self, progress: float) -> list[Batch]:
        """Return this process's passes of the next update."""
        train, team = self.recipe.train, self.team
        first = self.step * train.accumulate * team.size
        indices = [first + turn * team.size + team.rank for turn in range(train.accumulate)]
        return [self.objective.batch(index, progress).to(self.precision.device) for index in indices]

    def advance(self, progress: float) -> StepResult:
        """Do one update at ``progress`` (0 to 1): forward and backward passes, clipping, optimiser.

        Raises:
            NotFiniteError: the loss or the gradient is not finite; the weights are as before.
        """
        with fixed_order(self.in_fixed_order):
            return self._advance(progress)

    def _advance(self, progress: float) -> StepResult:
        train = self.recipe.train
        self.model.train()
        batches = self.batches(progress)
        weight = self.team.sum(sum(batch.weight for batch in batches))
        totals: dict[str, Tensor] = {}
        for turn, batch in enumerate(batches):
            torch.manual_seed(self._dropout_seed(turn))
            with self.team.synchronising(self.wrapped, turn == len(batches) - 1), self.precision.autocast():
                losses = self.objective.loss(self.forward, batch)
                fraction = batch.weight / weight
                # The team averages gradients over its processes; the sum over all passes is what we want.
                self.scaler.scale(losses["loss"] * (fraction * self.team.size)).backward()  # type: ignore[no-untyped-call]
            for name, value in losses.items():
                totals[name] = (
                    totals.get(name, torch.zeros((), device=value.device)) + value.detach().float() * fraction
                )
        parts = {name: self.team.sum(float(value)) for name, value in totals.items()}
        norm = self._clip(train.clip)
        scalable = self.scaler.is_enabled() and self.scaler.get_scale() >= 1
        if not (math.isfinite(parts["loss"]) and (math.isfinite(norm) or scalable)):
            self.optimizer.zero_grad()
            raise NotFiniteError(f"loss {parts['loss']}, gradient norm {norm}")
        lr = self._update(progress, skip=not math.isfinite(norm))
        self.step += 1
        tokens = int(self.team.sum(sum(batch.tokens for batch in batches)))
        self.tokens += tokens
        return StepResult(self.step, parts["loss"], parts, norm if math.isfinite(norm) else None, lr, tokens)

    def _dropout_seed(self, turn: int) -> int:
        passes = self.step * self.recipe.train.accumulate + turn
        return derive(self.recipe.seed, "dropout", passes * self.team.size + self.team.rank)

    def _clip(self, limit: float) -> float:
        for optimizer, _ in self.optimizer.parts:
            self.scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), limit or math.inf)
        return float(whole(norm))

    def _update(self, progress: float, *, skip: bool) -> float:
        lr = self.optimizer.set_rates(progress)
        if skip:
            # The scaler judges each optimiser (and each process) by itself; here an overflow anywhere stops all alike.
            self.scaler.update(self.scaler.get_scale() * self.scaler.get_backoff_factor())
        elif self.scaler.is_enabled():
            for optimizer, _ in self.optimizer.parts:
                self.scaler.step(optimizer)
            self.scaler.update()
        else:
            self.optimizer.step()
        self.optimizer.zero_grad()
        if self.average:
            # A young average follows fast, or the first random weights would stay in it for long.
            decay = min(self.recipe.train.ema, (1 + self.step) / (10 + self.step))
            for name, parameter in self.model.named_parameters():
                self.average[name].lerp_(parameter.detach(), 1 - decay)
        return lr

    @contextmanager
    def averaged(self) -> Iterator[nn.Module]:
        """Yield the model with its averaged weights (its own where none are kept), in evaluation mode."""
        parameters = dict(self.model.named_parameters())
        own = {name: parameters[name].detach().clone() for name in self.average}
        self._copy(self.average)
        self.model.eval()
        try:
            with torch.no_grad(), self.precision.autocast():
                yield self.model
        finally:
            self._copy(own)

    @torch.no_grad()
    def _copy(self, tensors: Mapping[str, Tensor]) -> None:
        parameters = dict(self.model.named_parameters())
        for name, tensor in tensors.items():
            parameters[name].copy_(tensor)

    def evaluate(self) -> dict[str, float]:
        """Return the objective's metrics on its validation set."""
        with fixed_order(self.in_fixed_order), self.averaged() as model:
            return self.objective.evaluate(model)

    def sample(self) -> str:
        """Return a text that shows how far the model is."""
        with self.averaged() as model:
            return self.objective.sample(model, self.step)

    def weights(self) -> dict[str, Tensor]:
        """Return the weights, by name."""
        return self.team.gather(self.model.state_dict())

    def state(self) -> dict[str, Tensor]:
        """Return all state besides the weights, by name."""
        state = {f"optimizer/{name}": tensor for name, tensor in self.optimizer.tensors().items()}
        state |= {f"average/{name}": tensor for name, tensor in self.average.items()}
        if self.scaler.is_enabled():
            scaler = self.scaler.state_dict()
            state["scaler"] = torch.tensor([scaler["scale"], scaler["_growth_tracker"]], dtype=torch.float64)
        state["counts"] = torch.tensor([self.step, self.tokens], dtype=torch.int64)
        return self.team.gather(state)

    def load(self, weights: Mapping[str, Tensor], state: Mapping[str, Tensor], origin: str) -> None:
        """Become what a checkpoint holds.

        Raises:
            GatllmError: the checkpoint is another model's; ``origin`` names it.
        """
        mine = self.model.state_dict()
        if self.team.size == 1:
            put_weights(self.model, weights, origin)
        else:
            with torch.no_grad():
                for name, tensor in mine.items():
                    tensor.copy_(shard_like(tensor, weights[name]))
        try:
            self.step, self.tokens = (int(count) for count in state["counts"])
            for name, tensor in self.average.items():
                tensor.copy_(shard_like(tensor, state[f"average/{name}"]))
            if self.scaler.is_enabled():
                scale, growth = (float(value) for value in state["scaler"])
                known = self.scaler.state_dict()
                self.scaler.load_state_dict(known | {"scale": scale, "_growth_tracker": int(growth)})
        except KeyError as error:
            raise GatllmError(f"{origin} lacks {error}", "resume with the recipe that wrote it") from None
        head = "optimizer/"
        self.optimizer.load({name[len(head) :]: tensor for name, tensor in state.items() if name.startswith(head)})
