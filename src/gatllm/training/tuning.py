"""Hyper-parameter search: every trial is a short run, the study is kept beside the trials."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatllm.errors import GatllmError, UsageError
from gatllm.progress import Progress, Report, silent
from gatllm.records import write_file
from gatllm.training.recipe import Recipe
from gatllm.training.training import train

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import Trial

STUDY = "study.jsonl"
BEST = "best.toml"

DEFAULT_SEARCH = (
    "train.lr=0.0005..0.02",
    "train.matrix_lr=0.005..0.08",
    "train.weight_decay=0.0..0.2",
    "model.dropout=0.0..0.3",
)
_RANGE = re.compile(r"^(?P<low>[-+.\de]+?)\.\.(?P<high>[-+.\de]+)$")
_LOG_RATIO = 10.0  # ranges that span more are searched by their logarithm


@dataclass(frozen=True)
class Dimension:
    """One key and what it may be: between ``low`` and ``high``, or one of ``choices``."""

    key: str
    low: float = 0.0
    high: float = 0.0
    choices: tuple[Any, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Dimension:
        """Read ``KEY=LOW..HIGH`` or ``KEY=A,B,C``.

        Raises:
            UsageError: it is neither.
        """
        key, _, value = text.partition("=")
        bounds = _RANGE.match(value.strip())
        if key and bounds:
            try:
                low, high = float(bounds["low"]), float(bounds["high"])
            except ValueError:
                low = high = 0.0
            if low < high:
                return cls(key.strip(), low, high)
        choices = tuple(_value(part) for part in value.split(",") if part.strip())
        if key and len(choices) > 1:
            return cls(key.strip(), choices=choices)
        raise UsageError(f"{text!r} is not a search", "write KEY=LOW..HIGH or KEY=A,B,C")

    def suggest(self, trial: Trial) -> Any:
        """Return this trial's value."""
        if self.choices:
            return trial.suggest_categorical(self.key, self.choices)
        log = self.low > 0 and self.high / self.low >= _LOG_RATIO
        if self.low.is_integer() and self.high.is_integer():
            return trial.suggest_int(self.key, int(self.low), int(self.high), log=log)
        return trial.suggest_float(self.key, self.low, self.high, log=log)


def _value(text: str) -> Any:
    text = text.strip()
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text, text)


@dataclass(frozen=True)
class Tuned:
    """What a study found: the best trial's loss and overrides, and every trial."""

    loss: float
    overrides: Mapping[str, Any]
    trials: Sequence[Mapping[str, Any]]
    recipe: Path


def tune(
    recipe: Recipe,
    out: Path,
    *,
    trials: int = 20,
    search: Sequence[str] = DEFAULT_SEARCH,
    report: Report = silent,
) -> Tuned:
    """Search for the overrides that give the lowest validation loss within the recipe's budget.

    Trials are drawn by a tree-structured Parzen estimator (Bergstra et al. 2011, in Optuna) and cut off when their
    validation loss falls behind the median of the others. The study lies in ``out``: the same call resumes it
    until there are ``trials`` of them. The best recipe is written to `best.toml`.

    Raises:
        UsageError: Optuna is not installed, or a search is not a search.
        GatllmError: no trial came to an end.
    """
    dimensions = [Dimension.parse(text) for text in search]
    for dimension in dimensions:  # an unknown key is an error now, not after the first trial
        recipe.replace({dimension.key: dimension.choices[0] if dimension.choices else dimension.low})
    study = _study(out, recipe)
    objective = _objective(recipe, out, dimensions)
    for done in range(len(study.trials), trials):
        note = f"best {study.best_value:.4f}" if _finished(study) else ""
        report(Progress("tune", done, trials, "trials", note))
        study.optimize(objective, n_trials=1, catch=(GatllmError,))
    if not _finished(study):
        raise GatllmError("no trial came to an end", f"see the logs in {out}/trials")
    best = recipe.replace(study.best_params)
    write_file(out / BEST, best.to_toml())
    rows = [
        {"trial": trial.number, "state": trial.state.name.lower(), "loss": trial.value, **trial.params}
        for trial in study.trials
    ]
    return Tuned(study.best_value, study.best_params, rows, out / BEST)


def _finished(study: Study) -> bool:
    return any(trial.state.name == "COMPLETE" for trial in study.trials)


def _study(out: Path, recipe: Recipe) -> Study:
    try:
        import optuna
    except ImportError:
        raise UsageError("tuning needs Optuna", "install it: pip install 'gatllm[tune]'") from None
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    out.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(out / STUDY))),
        study_name=recipe.name,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1),
        load_if_exists=True,
    )
    # A study that continues must not draw again what it drew at first.
    study.sampler = optuna.samplers.TPESampler(seed=recipe.seed + len(study.trials))
    return study


def _objective(recipe: Recipe, out: Path, dimensions: Sequence[Dimension]) -> Callable[[Trial], float]:
    def attempt(trial: Trial) -> float:
        import optuna

        overrides = {dimension.key: dimension.suggest(trial) for dimension in dimensions}
        evaluations = 0

        def observe(event: str, fields: Mapping[str, Any]) -> None:
            nonlocal evaluations
            if event == "validation":
                trial.report(fields["loss"], evaluations)
                evaluations += 1
                if trial.should_prune():
                    raise optuna.TrialPruned

        run = train(recipe.replace(overrides), out / "trials" / f"{trial.number:04d}", observe=observe)
        return run.metrics["loss"]

    return attempt
