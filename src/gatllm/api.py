"""The Python face: what ``import gatllm`` gives. Every function imports what it needs when it is called."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatllm.errors import UsageError
from gatllm.progress import Report, silent

if TYPE_CHECKING:
    from torch import Tensor

    from gatllm.inference import Generated
    from gatllm.models import LoadedRun
    from gatllm.proof import Verification
    from gatllm.review import Repair, Review, Reviewer
    from gatllm.training import Recipe, Run
    from gatllm.training.promise import Commit


def train(
    recipe: Recipe | str | Path,
    out: str | Path | None = None,
    *,
    commit: Commit | None = None,
    report: Report = silent,
    **keys: Any,
) -> Run:
    """Train by a recipe and return the finished run; an interrupted run continues.

    Args:
        recipe: a recipe, its file, or the name of one that comes with gatllm.
        out: the run folder (default: ``runs/NAME``).
        commit: promises data and plan on chain before training and gives the block that the seed follows from, such as
            `gatllm.market.ProofRegistry.commit`.
        report: told how far it is.
        keys: override keys of the recipe; two underscores stand for the dot: ``train__minutes=1.5``.

    Raises:
        UsageError: an unknown key, or a value out of bounds.
        GatllmError: bad data, no memory, no disk.
    """
    from gatllm.training import Recipe
    from gatllm.training import train as train_run

    overrides = {key.replace("__", "."): value for key, value in keys.items()}
    if isinstance(recipe, Recipe):
        if overrides:
            raise UsageError("a Recipe object takes no overrides", "load it with Recipe.load(path, overrides)")
    else:
        recipe = Recipe.load(recipe, overrides)
    return train_run(recipe, out or Path("runs") / recipe.name, commit=commit, report=report)


class Model:
    """A trained model: a GPT or an encoder-decoder generates, every kind embeds."""

    def __init__(self, run: LoadedRun) -> None:
        self.run = run

    def generate(self, prompts: Sequence[str], **sampling: Any) -> list[list[Generated]]:
        """Return the answers to each prompt.

        Args:
            prompts: texts of any lengths.
            sampling: see `gatllm.inference.Sampling`: ``max_new_tokens``, ``temperature``, ``top_p``, ``n``, ``seed`` …

        Raises:
            GatllmError: the model writes no text, or a prompt does not fit.
        """
        from gatllm.inference import Sampling, generate

        return generate(self.run.model, self.run.tokenizer, list(prompts), Sampling(**sampling))

    def get_embeddings(self, sentences: str | Sequence[str], *, mask: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Return contextual embeddings, ``(batch, max_tokens, width)``; positions past a sentence's end are zero.

        With ``mask`` also which positions hold a token: ``(batch, max_tokens)``, bool.
        """
        from gatllm.inference import get_embeddings

        return get_embeddings(self.run.model, self.run.tokenizer, sentences, mask=mask)


def load(run: str | Path, *, device: str = "cpu") -> Model:
    """Load the model of a run folder.

    Raises:
        GatllmError: a file of the folder is missing or damaged.
    """
    from gatllm.models import load_run

    return Model(load_run(run, device=device))


def get_embeddings(
    sentences: str | Sequence[str], run: str | Path, *, mask: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """Return the contextual embeddings of a run's model, ``(batch, max_tokens, width)``; see `Model.get_embeddings`."""
    return load(run).get_embeddings(sentences, mask=mask)


@lru_cache(maxsize=1)
def _reviewer() -> Reviewer:
    from gatllm.review.default import load_reviewer

    return load_reviewer()


def check(code: str) -> Review:
    """Judge Python code with the default discriminator: verdict, probability, suspect places. Safe among threads."""
    return _reviewer().check(code)


def fix(code: str) -> Repair:
    """Repair Python code that does not compile; code that does is returned as it is. Safe among threads."""
    return _reviewer().fix(code)


def verify(
    run: str | Path,
    *,
    datasets: Sequence[str | Path] = (),
    depth: str = "hashes",
    require_updates: int | None = None,
    seed: str | None = None,
) -> Verification:
    """Verify the proof of training of a run folder.

    ``.outcome`` is "verified", "intact", "inconclusive" or "failed", ``.ok`` tells whether it is the first,
    ``.failures`` names what does not hold, ``.reached`` says what was reached. Hashes that hold show no training: at
    that depth the outcome is inconclusive, or intact where ``require_updates`` is 0.

    Args:
        run: the run folder.
        datasets: the datasets that it claims to be trained on.
        depth: ``hashes``, ``replay`` (also repeat sampled segments, drawn by ``seed``) or ``full``.
        require_updates: how many updates must have been done again; by default all that the depth chooses.
        seed: what nobody knew when the run was signed, such as the hash of a later block.

    Raises:
        UsageError: there is no such depth, or no seed for a sample.
        GatllmError: there is no run or no proof.
    """
    from gatllm.proof import verify as verify_run

    return verify_run(
        Path(run),
        datasets=[Path(dataset) for dataset in datasets],
        depth=depth,  # type: ignore[arg-type]
        require_updates=require_updates,
        seed=seed,
    )
