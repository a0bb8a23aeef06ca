"""The tables of a recipe: typed, with defaults; an unknown key is an error that names the nearest valid one."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gatllm.errors import UsageError


class Table(BaseModel):
    """One table of a recipe: frozen, and it refuses keys it doesn't know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TokenizerTable(Table):
    """How text becomes numbers.

    ``characters`` knows the characters of the corpus, ``bpe`` learns byte-level merges on it up to ``size`` entries,
    ``lexicon`` is the discriminator's, and ``file`` takes the `tokenizer.json` (or the run folder) at ``path``.
    """

    kind: Literal["characters", "bpe", "lexicon", "file"] = "bpe"
    size: int = Field(default=4096, ge=2, description="entries of the vocabulary")
    path: str = ""


class TrainTable(Table):
    """How long, how fast and on what a model is trained.

    Rates follow the schedule between 0 and 1 times their peak. Progress is the fraction of ``steps`` or ``minutes``
    that is done; ``warmup``, ``decay`` and the ``evaluations``, ``samples`` and ``checkpoints`` are spread over it.
    """

    steps: int | None = Field(default=None, ge=1, description="updates of the weights; or give minutes")
    minutes: float | None = Field(default=None, gt=0, description="time budget, evaluations included")
    epochs: float | None = Field(default=None, gt=0, description="times through the training rows; becomes steps")
    batch: int = Field(default=16, ge=1, description="rows of one forward pass")
    accumulate: int = Field(default=1, ge=1, description="forward passes for one update")
    optimizer: Literal["muon", "adamw"] = "muon"
    lr: float = Field(default=3e-3, gt=0, description="AdamW's peak rate (with muon: embeddings, vectors and heads)")
    matrix_lr: float = Field(default=0.02, gt=0, description="Muon's peak rate, for the weight matrices")
    betas: tuple[float, float] = (0.9, 0.95)
    momentum: float = Field(default=0.95, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)
    clip: float = Field(default=1.0, ge=0, description="greatest norm of the gradient; 0: no limit")
    schedule: Literal["linear", "cosine", "wsd", "constant"] = "linear"
    warmup: float = Field(default=0.01, ge=0, lt=1, description="fraction of the budget in which rates rise")
    decay: float = Field(default=0.3, ge=0, le=1, description="wsd: fraction of the budget in which rates fall")
    floor: float = Field(default=0.0, ge=0, le=1, description="rate at the end, as a fraction of the peak")
    ema: float = Field(default=0.0, ge=0, lt=1, description="decay of the averaged weights; 0: none")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1, mps")
    threads: int = Field(default=0, ge=0, description="processor threads; 0: all, or one where that is faster")
    compile: Literal["auto", "on", "off"] = Field(default="auto", description="auto: on CUDA, for rows of one length")
    evaluations: int = Field(default=20, ge=1)
    samples: int = Field(default=5, ge=0)
    checkpoints: int = Field(default=10, ge=1)
    keep: int = Field(default=3, ge=1, description="last checkpoints kept, besides the best")
    patience: int = Field(default=0, ge=0, description="stop after so many evaluations without a better one; 0: never")
    select: Literal["last", "best"] = "last"
    measure: str = Field(
        default="loss", description="what best and patience go by; all but the loss: the more the better"
    )
    until: dict[str, float] = Field(
        default={}, description="stop when the validation reaches all of these: {exact = 1}"
    )
    parallel: Literal["ddp", "fsdp"] = "ddp"

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if self.minutes is not None and (self.steps or self.epochs):
            raise ValueError("give one budget: steps, epochs or minutes")
        if self.minutes is None and self.steps is None and self.epochs is None:
            raise ValueError("give a budget: steps, epochs or minutes")
        return self

    def rank(self, metrics: Mapping[str, Any]) -> float:
        """Return how a validation stands by ``measure``, as a number of which less is better.

        Raises:
            UsageError: the validation has no such metric, or none of a name in ``until``.
        """
        for name in (self.measure, *self.until):
            if name not in metrics:
                known = ", ".join(name for name, value in metrics.items() if isinstance(value, float))
                raise UsageError(f"the validation has no {name}", f"measure by one of {known}")
        value = float(metrics[self.measure])
        return value if self.measure == "loss" else -value

    def reached(self, metrics: Mapping[str, Any]) -> bool:
        """Tell whether a validation has all that ``until`` asks for."""
        goals = self.until.items()
        return bool(goals) and all(
            metrics[name] <= goal if name == "loss" else metrics[name] >= goal for name, goal in goals
        )


class DeterminismTable(Table):
    """How far equal bits reach, and who chooses what is random.

    A run is replayed to the bit where processor, number of threads and libraries are the same. ``pinned`` takes one
    thread, fp32 and the kernels that every x86 processor with AVX2 has, so that another machine replays it to the bit
    too; it costs speed.
    """

    pinned: bool = False
    fixed_order: bool | None = Field(
        default=None, description="exact sums of products: the same bits on every machine, with any number of threads"
    )
    seed: Literal["given", "committed"] = Field(
        default="given",
        description="committed: the seed is the hash of data, recipe, tokenizer, code, environment and block",
    )
    block: str = Field(
        default="", description="hash of the block after the commitment on chain; `gatllm train --commit` sets it"
    )
    trainer: str | None = Field(
        default=None, description="address that made the commitment, in the seed too; `gatllm train --commit` sets it"
    )


class ExpectTable(Table):
    """What a finished run of this recipe gave, so that a reader knows what to wait for."""

    minutes: float
    metric: str
    value: float
    measured: str = Field(description="date and kind of machine")


_T = TypeVar("_T", bound=BaseModel)


def checked(kind: type[_T], values: dict[str, Any], where: str) -> _T:
    """Return ``values`` as a ``kind``.

    Raises:
        UsageError: a key is unknown (the message names the nearest valid one) or a value is out of bounds.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        path = [str(part) for part in first["loc"]]
        key = ".".join(part for part in [where, *path] if part)
        if first["type"] == "extra_forbidden":
            raise UsageError(f"unknown key {key}", _nearest(path[-1], _fields_at(kind, path[:-1]))) from None
        if first["type"] == "missing":
            raise UsageError(f"{key} is missing", f"add it to the recipe (--set {key}=…)") from None
        message = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"{key or 'recipe'}: {message}", f"got {first['input']!r}" if path else "") from None


def _fields_at(kind: type[BaseModel], path: list[str]) -> list[str]:
    for part in path:
        inner = kind.model_fields[part].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        kind = inner
    return list(kind.model_fields)


def _nearest(key: str, valid: list[str]) -> str:
    close = difflib.get_close_matches(key, valid, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else f"valid keys: {', '.join(valid)}"
