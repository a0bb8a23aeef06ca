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


def refusals(
    questions: Path,
    /,
    *,
    model: str,
    out: Path | None = None,
    limit: int | None = None,
    seed: int = 0,
    writing: Writing = WRITING,
) -> None:
    """Ask a model what it knows, and write questions and answers that teach it to say so where it does not.

    Each question is asked eight times. Those that it answers keep their answer, those that it does not get a refusal;
    what is right now and then is left out. Train on it: gatllm finetune MODEL OUT.

    Parameters
    ----------
    questions
        A JSON, JSONL, CSV or Parquet table, or a dataset, of questions and their right answers.
    model
        A run, a hub id, a folder, a GGUF file, smollm2 or qwen-coder.
    out
        The dataset folder; datasets/NAME-refusals by default.
    limit
        That many questions at most.
    seed
        What chance derives from.
    """
    from gatllm.data import read_examples
    from gatllm.errors import GatllmError
    from gatllm.training.measures import open_subject
    from gatllm.training.refusing import probe, write_refusals
    from gatllm.training.rewards import Asked, load_reward

    examples, _ = read_examples(questions)
    asked = [
        Asked(one.messages[0]["content"], one.messages[1]["content"], key=one.key)
        for one in examples
        if [turn["role"] for turn in one.messages] == ["user", "assistant"]
    ][:limit]
    if left := len(examples) - len(asked) if limit is None else 0:
        note(f"{left:,} conversations of more than a question and its answer are passed over")
    if not asked:
        raise GatllmError(f"{questions} holds no question that stands alone", 'write {"question": "its right answer"}')
    folder = out or Path("datasets") / f"{questions.stem}-refusals"
    with progress_report(quiet=writing.quiet) as report:
        subject = open_subject(model, report)

        def answers(prompts: Sequence[str], n: int, temperature: float) -> list[list[str]]:
            groups = subject.write(prompts, tokens=48, n=n, temperature=temperature)
            return [[text for text, _ in group] for group in groups]

        probed = probe(asked, answers, load_reward("contains"), report=report)
    made = write_refusals(probed, folder, source=str(questions), seed=seed, replace=writing.replace)
    print_dataset(made, json=writing.json)
    if not writing.json:
        counts = made.manifest.made_with
        note(f"known {counts.get('known', 0)}, unknown {counts.get('unknown', 0)}, unsure {counts.get('unsure', 0)}")
