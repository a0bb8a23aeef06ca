"""From a recipe to a session: data, tokenizer, model, precision, all from one seed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gatllm.errors import UsageError
from gatllm.models import build, choose_device, config_from_dict, load_weights, put_weights, weights_root
from gatllm.models.tuned import KIND as PRETRAINED
from gatllm.models.tuned import PretrainedConfig, build_tuned
from gatllm.progress import Report, silent
from gatllm.records import digest
from gatllm.tokenizers import Tokenizer
from gatllm.tokenizers import load as load_tokenizer
from gatllm.training.distributed import Team
from gatllm.training.environment import code, environment
from gatllm.training.fixed_order import fixed_order
from gatllm.training.objectives.preparing import prepare
from gatllm.training.objectives.protocol import Objective
from gatllm.training.pinning import in_fixed_order, pin, put_in_order
from gatllm.training.precision import Attempt, Precision, choose_precision
from gatllm.training.promise import Promise
from gatllm.training.recipe import Recipe
from gatllm.training.seeds import committed_seed, derive, plan_of
from gatllm.training.session import Session
from gatllm.training.tables import checked

_ADDED = frozenset({"parts.weight"})  # what a run to begin with may lack


@dataclass(frozen=True)
class Assembly:
    """A session before its first update, and what it commits to."""

    recipe: Recipe
    objective: Objective
    session: Session
    commitments: dict[str, Any]


def assemble(
    recipe: Recipe,
    *,
    tokenizer: Tokenizer | None = None,
    dtype: str | None = None,
    threads: int | None = None,
    before: Mapping[str, Any] | None = None,
    written: Mapping[str, Any] | None = None,
    promise: Promise | None = None,
    team: Team | None = None,
    report: Report = silent,
) -> Assembly:
    """Prepare data, tokenizer and a model, freshly initialised or with the weights of the run that ``start`` names.

    ``tokenizer``, ``dtype`` and ``threads`` are given when a run is resumed or replayed, with ``before``, what it
    committed to at its beginning, and ``written``, its recipe word for word: they were decided then. A key that recipes
    did not have at that time is not part of what was committed to.

    ``promise`` names data and plan in public and returns the hash of a later block, from which a committed seed then
    follows.

    Raises:
        UsageError: the recipe does not fit this machine, or a key of ``[model]`` is wrong.
        GatllmError: the data is missing, empty or too short; ``promise`` fails.
    """
    team = team or Team()
    committed = recipe.determinism is not None and recipe.determinism.seed == "committed"
    if recipe.determinism and recipe.determinism.pinned:
        recipe, threads, dtype = pin(recipe), 1, "fp32"
    if in_fixed_order(recipe):
        recipe, dtype = put_in_order(recipe, team.size), "fp32"
    if committed:
        recipe = recipe.replace({"seed": 0})  # what is prepared before the promise must not be chosen either
    device = choose_device(recipe.train.device)
    _check_kind(recipe)
    if tokenizer is None and recipe.start and recipe.tokenizer.kind != "file":
        tokenizer = load_tokenizer(recipe.start)
    objective = prepare(recipe, tokenizer, report)
    resolved = _resolved(recipe, objective, team)
    model = _initial(resolved, objective)
    commitments = {
        "data_root": objective.data_root,
        "tokenizer": objective.tokenizer.fingerprint(),
        "init_root": weights_root(model.state_dict()),
        "code": code(),
    }
    attempt = _attempt(model, objective, device, ordered=in_fixed_order(recipe))
    precision = choose_precision(dtype or recipe.train.precision, device, threads or recipe.train.threads, attempt)
    commitments["environment"] = environment(precision, team.size)
    if committed:
        if promise is not None:
            _refuse_drawn_data(resolved, objective)  # before anything is paid for a promise
        resolved = _seeded(resolved, commitments, before, promise, _as_written(resolved, written))
        objective.close()
        objective = prepare(resolved, objective.tokenizer, report)
        model = _initial(resolved, objective)
        commitments["init_root"] = weights_root(model.state_dict())
    commitments["recipe"] = digest(_as_written(resolved, written))
    return Assembly(resolved, objective, Session(resolved, objective, model, precision, team), commitments)


def _initial(recipe: Recipe, objective: Objective) -> nn.Module:
    """Return the model before its first update."""
    seed = derive(recipe.seed, "init")
    model: nn.Module
    with fixed_order(in_fixed_order(recipe)):
        if recipe.model["kind"] == PRETRAINED:
            model = build_tuned(PretrainedConfig.model_validate(recipe.model), seed=seed)
        else:
            model = build(config_from_dict(recipe.model), seed=seed)
    if recipe.start:
        if objective.tokenizer.fingerprint() != load_tokenizer(recipe.start).fingerprint():
            raise UsageError(f"{recipe.start} was trained with another tokenizer", "leave out the [tokenizer] table")
        file = Path(recipe.start) / "model.safetensors"
        # An input that the first run did not have begins at zero, so it changes nothing.
        added = {name: tensor for name, tensor in model.state_dict().items() if name in _ADDED}
        put_weights(model, {**added, **load_weights(file)}, str(file))
    return model


def _attempt(model: nn.Module, objective: Objective, device: torch.device, *, ordered: bool) -> Attempt:
    def attempt(precision: Precision) -> None:
        model.to(device).train()
        batch = objective.batch(0, 0.0).to(device)
        with fixed_order(ordered):
            with precision.autocast():
                loss = objective.loss(model, batch)["loss"]
            loss.backward()  # type: ignore[no-untyped-call]
        model.zero_grad(set_to_none=True)

    return attempt


def _refuse_drawn_data(recipe: Recipe, objective: Objective) -> None:
    """Refuse data that the seed draws, by drawing it with another one.

    Raises:
        UsageError: it is drawn.
    """
    other = prepare(recipe.replace({"seed": 1}), objective.tokenizer, silent)
    try:
        if other.data_root != objective.data_root:
            raise UsageError(
                "the data of this recipe is drawn by its seed: it can't be promised before",
                "leave out determinism.seed",
            )
    finally:
        other.close()


def _as_written(recipe: Recipe, written: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a resolved recipe as its run wrote it down; where that says something else (or nothing), as it is now."""
    if written is None:
        return recipe.to_dict()
    then = Recipe.of(written)
    if "kind" not in then.model:  # no run writes such a recipe
        return recipe.to_dict()
    # A seed that is committed follows from the rest; data may lie elsewhere, and has a root of its own.
    moved = {"seed": recipe.seed, "data.source": recipe.to_dict()["data"]["source"]}
    same = then.replace({"model": config_to_dict(then.model), **moved}) == recipe
    return {**written, "seed": recipe.seed} if same else recipe.to_dict()


def _seeded(
    recipe: Recipe,
    commitments: dict[str, Any],
    before: Mapping[str, Any] | None,
    promise: Promise | None,
    written: dict[str, Any],
) -> Recipe:
    """Return the recipe with the seed that follows from data, plan, block and trainer.

    ``promise`` is asked for the last two; the salt of what was promised joins the ``commitments``.
    """
    values = dict(written)
    then = {name: (before or commitments)[name] for name in ("code", "environment")}
    # A run that continues with other code or elsewhere keeps the plan that it began with.
    data_root, known = str(commitments["data_root"]), {**commitments, **then}
    block, trainer = values["determinism"]["block"], values["determinism"].get("trainer")
    if promise is not None:
        table = values["determinism"]
        values["determinism"] = {**table, "trainer": ""}  # whoever it is: it is not part of the plan
        (block, trainer), commitments["salt"] = promise(data_root, plan_of(values, known))
        values["determinism"] = {**table, "trainer": trainer}
    elif before and "salt" in before:
        commitments["salt"] = before["salt"]
    seed = committed_seed(data_root, digest(plan_of(values, known)), block, trainer)
    drawn = {} if trainer is None else {"determinism.trainer": trainer}
    return recipe.replace({"seed": seed, "determinism.block": block, **drawn})


def _resolved(recipe: Recipe, objective: Objective, team: Team) -> Recipe:
    """Return the recipe with all that follows from the data: the model's configuration, and the steps of its epochs."""
    values = recipe.to_dict() | {"model": config_to_dict(objective.model_config)}
    if recipe.train.epochs is not None:
        passes = objective.batches_per_epoch
        if passes is None:
            raise UsageError("these rows are drawn without end: they have no epochs", "give train.steps or minutes")
        steps = math.ceil(recipe.train.epochs * passes / (recipe.train.accumulate * team.size))
        values["train"] = values["train"] | {"steps": max(1, steps)}
    return Recipe.of(values)


def config_to_dict(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``[model]`` table with all its keys."""
    if model["kind"] == PRETRAINED:
        return PretrainedConfig.model_validate(model).model_dump(mode="json")
    return config_from_dict(model).model_dump(mode="json", exclude_none=True)


# What each objective trains; the first is what a recipe without model.kind means.
_KINDS = {
    "causal": ("gpt", PRETRAINED),
    "chat": ("gpt", PRETRAINED),
    "policy": ("seq2seq", "gpt", PRETRAINED),
    "preference": ("seq2seq", "gpt", PRETRAINED),
    "seq2seq": ("seq2seq",),
    "tagging": ("discriminator",),
}


def _check_kind(recipe: Recipe) -> None:
    kinds = _KINDS[recipe.objective]
    kind = recipe.model.get("kind", kinds[0])
    if kind not in kinds:
        raise UsageError(f"the objective {recipe.objective} can't train a {kind}", f"model.kind: {' or '.join(kinds)}")
    # Before the data is read, which may take minutes; what follows from the data has some value here.
    if kind == PRETRAINED:
        checked(PretrainedConfig, recipe.model, "model")
    else:
        config_from_dict({"kind": kind, "vocabulary": 1, **recipe.model})
