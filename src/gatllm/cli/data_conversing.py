"""``gatllm data converse``: conversations out of code and text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gatllm.cli.console import note, progress_report
from gatllm.cli.data_options import CONTRIBUTION, WRITING, Contribution, Writing, name_of, print_dataset

if TYPE_CHECKING:
    from gatllm.progress import Report

_ANSWER_TOKENS = 200


def converse(
    sources: list[str],
    /,
    *,
    out: Path | None = None,
    model: str = "",
    limit: int | None = None,
    seed: int = 0,
    contribution: Contribution = CONTRIBUTION,
    writing: Writing = WRITING,
) -> None:
    """Write conversations: documented functions, broken ones with the reason, and what a model asks about a passage.

    Parameters
    ----------
    sources
        Folders, archives, `stdlib`, `dist:NAME`, text files, dataset folders.
    out
        The dataset folder; datasets/NAME-conversations by default.
    model
        A chat model (a hub id, a folder, a GGUF file, smollm2, qwen-coder) that asks three questions of each passage;
        they are kept where the passage answers them. Without one no passage is asked about.
    limit
        That many conversations at most, drawn by the seed.
    seed
        What chance derives from.
    """
    from gatllm.data import converse as make

    folder = out or Path("datasets") / f"{name_of(sources)}-conversations"
    with progress_report(quiet=writing.quiet) as report:
        made = make(
            sources,
            folder,
            ask=_asking(model, report) if model else None,
            limit=limit,
            seed=seed,
            contributor=contribution.person(),
            replace=writing.replace,
            report=report,
        )
    print_dataset(made, json=writing.json)
    if not writing.json:
        kinds = made.manifest.made_with.get("kinds", {})
        note(", ".join(f"{count:,} {kind}" for kind, count in kinds.items()))
        if asked := made.manifest.made_with.get("asked"):
            total = sum(asked.values())
            share = asked.get("kept", 0) / max(total, 1)
            rest = ", ".join(f"{count:,} {why}" for why, count in asked.items() if why != "kept" and count)
            note(f"of {total:,} questions {share:.1%} are kept ({rest})")


def _asking(model: str, report: Report) -> Callable[[Sequence[str]], list[str]]:
    """Return what asks a chat model, greedily."""
    from gatllm.models import ChatOptions
    from gatllm.models.tuned import open_lm

    lm = open_lm(model, report=report)
    options = ChatOptions(max_new_tokens=_ANSWER_TOKENS)

    def ask(questions: Sequence[str]) -> list[str]:
        if not questions:
            return []
        return [one.text for one in lm.generate([[{"role": "user", "content": text}] for text in questions], options)]

    return ask
