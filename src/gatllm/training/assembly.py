"""From a recipe to a session: data, tokenizer, model, precision, all from one seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatllm.errors import UsageError
from gatllm.models import build, config_from_dict, load_weights, put_weights, weights_root
from gatllm.progress import Report, silent
from gatllm.tokenizers import Tokenizer
from gatllm.tokenizers import load as load_tokenizer
from gatllm.training.distributed import Team
from gatllm.training.environment import code, environment
from gatllm.training.objectives import prepare
from gatllm.training.objectives.protocol import Objective
from gatllm.training.pinning import pin
from gatllm.training.precision import Precision, choose_device, choose_precision
from gatllm.training.recipe import Recipe
from gatllm.training.seeds import committed_seed, derive
from gatllm.training.session import Session


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
    team: Team | None = None,
    report: Report = silent,
) -> Assembly:
    """Prepare data, tokenizer and a model, freshly initialised or with the weights of the run that ``start`` names.

    ``tokenizer``, ``dtype`` and ``threads`` are given when a run is resumed or replayed: they were decided before.

    Raises:
        UsageError: the recipe does not fit this machine, or a key of ``[model]`` is wrong.
        GatllmError: the data is missing, empty or too short.
    """
    team = team or Team()
    if recipe.determinism and recipe.determinism.pinned:
        recipe, threads, dtype = pin(recipe), 1, "fp32"
    device = choose_device(recipe.train.device)
    _check_kind(recipe)
    if tokenizer is None and recipe.start and recipe.tokenizer.kind != "file":
        tokenizer = load_tokenizer(recipe.start)
    objective = prepare(recipe, tokenizer, report)
    resolved = _resolved(recipe, objective)
    if recipe.determinism and recipe.determinism.seed == "committed":
        fingerprint = objective.tokenizer.fingerprint()
        seed = committed_seed(resolved.to_dict(), objective.data_root, fingerprint)
        resolved = resolved.replace({"seed": seed})
        objective.close()
        objective = prepare(resolved, objective.tokenizer, report)
    model = build(config_from_dict(resolved.model), seed=derive(resolved.seed, "init"))
    if recipe.start:
        if objective.tokenizer.fingerprint() != load_tokenizer(recipe.start).fingerprint():
            raise UsageError(f"{recipe.start} was trained with another tokenizer", "leave out the [tokenizer] table")
        file = Path(recipe.start) / "model.safetensors"
        put_weights(model, load_weights(file), str(file))
    init_root = weights_root(model.state_dict())

    def attempt(precision: Precision) -> None:
        model.to(device).train()
        batch = objective.batch(0, 0.0).to(device)
        with precision.autocast():
            loss = objective.loss(model, batch)["loss"]
        loss.backward()  # type: ignore[no-untyped-call]
        model.zero_grad(set_to_none=True)

    precision = choose_precision(dtype or recipe.train.precision, device, threads or recipe.train.threads, attempt)
    session = Session(resolved, objective, model, precision, team)
    commitments = {
        "data_root": objective.data_root,
        "tokenizer": objective.tokenizer.fingerprint(),
        "recipe": resolved.digest(),
        "init_root": init_root,
        "code": code(),
        "environment": environment(precision, team.size),
    }
    return Assembly(resolved, objective, session, commitments)


def _resolved(recipe: Recipe, objective: Objective) -> Recipe:
    config = config_from_dict(objective.model_config)
    return recipe.replace({"model": config.model_dump(mode="json", exclude_none=True)})


_KINDS = {"causal": "gpt", "seq2seq": "seq2seq", "tagging": "discriminator"}


def _check_kind(recipe: Recipe) -> None:
    kind = _KINDS[recipe.objective]
    if recipe.model.get("kind", kind) != kind:
        raise UsageError(
            f"the objective {recipe.objective} can't train a {recipe.model['kind']}", f"set model.kind to {kind}"
        )
