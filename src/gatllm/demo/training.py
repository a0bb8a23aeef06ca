"""Step 2: the discriminator learns from the broken functions, the generator from the whole ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatllm.demo.data import NEGATIVE, POSITIVE
from gatllm.demo.stage import Outcome, Session, Stage

DISCRIMINATOR, GENERATOR = "runs/discriminator", "runs/generator"
# The discriminator gains more from each minute: it ends up in the answers, the generator is shown for itself.
_PLAN = ((DISCRIMINATOR, "discriminator", NEGATIVE, 0.7), (GENERATOR, "generator-small", POSITIVE, 0.3))


def train_models(session: Session, stage: Stage) -> Outcome:
    """Train both models, each for its fraction of the minutes; a run that was cut off resumes."""
    from gatllm.training import Recipe, train

    numbers: dict[str, Any] = {}
    for name, recipe, dataset, fraction in _PLAN:
        minutes = session.options.minutes * fraction
        overrides = {
            "data.source": str(session.folder(dataset).resolve()),
            "seed": session.options.seed,
            "train.steps": None,
            "train.minutes": minutes,
        }
        stage.say(f"  {name.rpartition('/')[2]}: {minutes:.2g} minutes; everything it does goes to {name}/log.jsonl")
        run = train(Recipe.load(recipe, overrides), session.folder(name), report=stage.report, observe=_Observer(stage))
        metrics = run.metrics
        stage.say(
            f"  {name.rpartition('/')[2]}: {metrics['parameters'] / 1e6:.2f} M parameters, {metrics['steps']:,} steps,"
            f" {metrics['tokens'] / metrics['seconds']:,.0f} tokens/s, validation loss {metrics['loss']:.3f}"
        )
        numbers[f"{name.rpartition('/')[2]} loss"] = round(metrics["loss"], 3)
    return Outcome("done", numbers, made={name.rpartition("/")[2]: str(session.folder(name)) for name, *_ in _PLAN})


class _Observer:
    """Shows what the log gets that a person wants to see: validation losses and samples."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def __call__(self, event: str, fields: Mapping[str, Any]) -> None:
        if event == "validation":
            self.stage.say(f"    step {fields['step']:,}: validation loss {fields['loss']:.3f}")
        elif event == "sample":
            asked, arrow, written = str(fields["text"]).partition("→")
            lines = [*asked.strip().splitlines()[:1], *f"{arrow}{written}".strip().splitlines()[:4]]
            for line in lines:
                self.stage.say(f"    | {line[:110]}")
