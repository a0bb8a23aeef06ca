"""``gatllm data``: what writes a dataset: build, mine, corrupt, tokenize."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from gatllm.cli.console import diff_lines, note, print_diff, print_json, progress_report, table
from gatllm.cli.data_options import (
    CONTRIBUTION,
    WRITING,
    Contribution,
    Many,
    Writing,
    name_of,
    print_dataset,
    read_rules,
)
from gatllm.errors import UsageError

_Policy = Literal["reject", "redact", "keep"]


def build(
    sources: list[str],
    /,
    *,
    out: Path | None = None,
    limit: int | None = None,
    seed: int = 0,
    language: str = "python",
    question_column: str = "",
    answer_column: str = "",
    contribution: Contribution = CONTRIBUTION,
    licence_allow: Many = None,
    secrets: _Policy = "reject",
    addresses: _Policy = "redact",
    near: float = 0.9,
    against: Annotated[list[Path] | None, Parameter(negative="", consume_multiple=True)] = None,
    rules: Path | None = None,
    target: str | None = None,
    writing: Writing = WRITING,
) -> None:
    """Write a dataset of what passes; the rest goes to rejected.jsonl with its reasons.

    Run again after a stop, it continues from what it had judged.

    Parameters
    ----------
    sources
        Folders, archives, `stdlib`, `dist:NAME`, `hf:NAME`, .txt, .json, .jsonl, .parquet files; `course` for the
        built-in Python course.
    out
        The dataset folder; datasets/NAME by default.
    limit
        That many records at most, drawn by the seed.
    seed
        What chance derives from.
    language
        Which files of folders and archives are meant: python, cpp.
    question_column
        The column of a table that holds the question, where its name does not tell.
    answer_column
        The column that holds the answer.
    licence_allow
        Keep only these licences (patterns such as BSD-*).
    secrets
        What to do about keys and tokens.
    addresses
        What to do about e-mail addresses.
    near
        Share of common lines that makes a near duplicate; 0 finds exact ones only.
    against
        Datasets that must not be repeated.
    rules
        A TOML file whose table [rules] says what a rule means: bad, score or off.
    target
        The Python version to judge by, as py312.
    """
    from gatllm.data import Columns, Options, build_course
    from gatllm.data import build as build_dataset

    folder = out or Path("datasets") / name_of(sources)
    options = Options(
        language=language,
        columns=Columns(question_column, answer_column),
        contributor=contribution.person(),
        licence=contribution.licence,
        licence_allow=licence_allow or (),
        secrets=secrets,
        addresses=addresses,
        near=near,
        against=against or (),
        rules=read_rules(rules),
        target=target,
    )
    with progress_report(quiet=writing.quiet) as report:
        if sources == ["course"]:
            made = build_course(folder, limit=limit, seed=seed, options=options, replace=writing.replace, report=report)
        else:
            made = build_dataset(
                list(sources), folder, limit=limit, seed=seed, options=options, replace=writing.replace, report=report
            )
    print_dataset(made, json=writing.json)


def mine(
    sources: list[str],
    /,
    *,
    out: Path | None = None,
    tokens: int = 8,
    hunks: int = 2,
    kinds: Many = None,
    contribution: Contribution = CONTRIBUTION,
    processes: int | None = None,
    writing: Writing = WRITING,
) -> None:
    """Find real mistakes in version history: small changes that look like fixes, as a negative dataset.

    Parameters
    ----------
    sources
        Wheels and sdists of consecutive releases or folders of them, folders that are versions of one thing in order,
        git checkouts (commits whose message speaks of a fix).
    out
        The dataset folder; datasets/NAME-mistakes by default.
    tokens
        Changed tokens of a fix at most.
    hunks
        Places of a fix at most.
    kinds
        Only these kinds of mistake, such as name, argument, comparison.
    processes
        Child processes; one for each processor by default.
    """
    from gatllm.data import mine as mine_dataset

    folder = out or Path("datasets") / f"{name_of(sources)}-mistakes"
    with progress_report(quiet=writing.quiet) as report:
        made = mine_dataset(
            list(sources),
            folder,
            tokens=tokens,
            hunks=hunks,
            kinds=kinds or (),
            licence=contribution.licence,
            contributor=contribution.person(),
            processes=processes,
            replace=writing.replace,
            report=report,
        )
    print_dataset(made, json=writing.json)


def corrupt(
    source: str,
    /,
    *,
    out: Path | None = None,
    level: Annotated[list[int] | None, Parameter(negative="", consume_multiple=True)] = None,
    growing: Annotated[bool, Parameter(negative="")] = False,
    families: Many = None,
    seed: int = 0,
    limit: int | None = None,
    processes: int | None = None,
    writing: Writing = WRITING,
) -> None:
    """Break good code: a dataset into a negative dataset, or one file, shown.

    Parameters
    ----------
    source
        A positive dataset folder, a source file, or - for stdin.
    out
        The folder of the negative dataset; SOURCE-broken by default.
    level
        Difficulties from 1 (one error against the grammar) to 5 (several close together, half against the meaning).
    growing
        Let the difficulty grow from the first record to the last.
    families
        Only these kinds of error; `gatllm data families` lists them.
    seed
        What chance derives from.
    limit
        That many pairs at most.
    processes
        Child processes; one for each processor by default.
    """
    from gatllm.data import Curriculum, build_negative

    if source == "-" or Path(source).is_file():
        _corrupt_one(source, level or [1], families, seed, json=writing.json)
        return
    folder = out or Path(f"{source.rstrip('/')}-broken")
    plan = Curriculum.growing() if growing else level or [1, 2, 3, 4, 5]
    with progress_report(quiet=writing.quiet) as report:
        made = build_negative(
            source,
            folder,
            seed=seed,
            level=plan,
            families=families,
            limit=limit,
            processes=processes,
            replace=writing.replace,
            report=report,
        )
    print_dataset(made, json=writing.json)


def _corrupt_one(source: str, levels: Sequence[int], families: list[str] | None, seed: int, *, json: bool) -> None:
    from dataclasses import asdict
    from random import Random

    from gatllm.data import corrupt as corrupt_text
    from gatllm.data.languages import language_of
    from gatllm.data.verdicts.verdict import decode

    data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    try:
        text = decode(data)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise UsageError(f"{source} is not text: {error}", "name a source file") from None
    rng = Random(seed)
    made = corrupt_text(text, rng, rng.choice(levels), families, language=language_of(source))
    if made is None:
        raise UsageError(f"{source} can't be broken", "name code that parses and has room for such an error")
    if json:
        print_json(asdict(made))
        return
    note(f"{', '.join(made.families)}: {made.message or 'it still parses'}")
    print_diff(diff_lines(text, made.broken, Path(source).name))


def tokenize(
    dataset: Path,
    tokenizer: Path,
    /,
    *,
    out: Path | None = None,
    split: Literal["train", "validation"] | None = None,
    writing: Writing = WRITING,
) -> None:
    """Write the token files of a dataset, memory-mapped by the loader.

    Parameters
    ----------
    dataset
        A positive or conversation dataset.
    tokenizer
        A tokenizer.json or its folder.
    out
        The folder of token files; DATASET-tokens by default.
    split
        Only the records that train, or those that validate.
    """
    from gatllm.data import tokenize as write_tokens
    from gatllm.tokenizers import TokenizerBase, load

    opened = load(tokenizer)
    if not isinstance(opened, TokenizerBase):
        raise UsageError(f"{tokenizer} can't render conversations", "name another tokenizer")
    folder = out or dataset.with_name(f"{dataset.name}-tokens")
    with progress_report(quiet=writing.quiet) as report:
        shards = write_tokens(dataset, opened, folder, split=split, replace=writing.replace, report=report)
    facts = {
        "path": str(folder),
        "tokens": len(shards),
        "documents": len(shards.documents) - 1,
        "files": len(shards.index.shards),
    }
    if writing.json:
        print_json(facts)
    else:
        table("", ("what", "value"), [(name, f"{v:,}" if isinstance(v, int) else v) for name, v in facts.items()])


COMMANDS: dict[str, Callable[..., None]] = {"build": build, "mine": mine, "corrupt": corrupt, "tokenize": tokenize}
