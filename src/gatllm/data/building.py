"""Builds positive and conversation datasets: sources → verdicts → admission → a folder."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Any

from gatllm.data.admission import Admission, Options
from gatllm.data.dataset import Dataset, DatasetWriter
from gatllm.data.journal import Journal
from gatllm.data.languages.base import suffixes_of
from gatllm.data.sources import Rows, SourceFile, open_source
from gatllm.data.sources.folders import commit_of
from gatllm.data.verdicts import Judge, Rules, Verdict
from gatllm.errors import GatllmError, UsageError
from gatllm.progress import Progress, Report, silent
from gatllm.records import new_folder

Judging = Callable[[Iterator[SourceFile], Options], Iterator[Verdict]]


def build(
    sources: str | Path | Rows | Sequence[str | Path | Rows],
    out: Path | str,
    *,
    limit: int | None = None,
    seed: int = 0,
    options: Options | None = None,
    replace: bool = False,
    judging: Judging | None = None,
    report: Report = silent,
) -> Dataset:
    """Write a dataset of what passes; the rest goes to ``rejected.jsonl`` with its reasons.

    Code, texts and pairs give a positive dataset, conversations a conversation dataset. A build that was stopped goes
    on from what it had judged when it is run again.

    Args:
        sources: see `open_source`; `Rows` are questions and answers in memory.
        out: the dataset folder; it appears whole or not at all.
        limit: stop after that many records; they are drawn from all items by ``seed``.
        seed: see ``limit``.
        options: languages, licences, privacy, duplicates, rules.
        replace: put the new dataset in the place of one that is there.
        judging: who judges the files, where it is not this machine (`cluster.ray_judging`).
        report: told after each item.

    Raises:
        UsageError: a source does not exist, is empty, or conversations are mixed with other things.
        GatllmError: nothing passed, or ``out`` is already there or can't be written.
    """
    given = [sources] if isinstance(sources, str | Path | Rows) else list(sources)
    names = [source.name if isinstance(source, Rows) else str(source) for source in given]
    out, options = Path(out), options or Options()
    if out.exists() and not replace:
        raise GatllmError(f"{out} is already there", "name another folder or remove it")
    files: Iterator[SourceFile] | list[SourceFile] = _items(given, options)
    total = None
    if limit is not None or all(_lies_on_disk(name) for name in names):
        files = list(files)
        total = len(files)
    if limit is not None and isinstance(files, list):
        Random(seed).shuffle(files)
    journal = Journal(out, [options.as_dict(), platform.python_version(), version("ruff")])
    finished = False
    try:
        with (
            new_folder(out, replace=replace) as folder,
            DatasetWriter(folder, "positive", out.name) as writer,
            Judge(rules=Rules(options.rules), target=options.target, journal=journal) as judge,
        ):
            verdicts = judging(iter(files), options) if judging else judge.judge(files)
            admission = Admission(options)
            done = 0
            for done, verdict in enumerate(verdicts, 1):
                report(Progress("check", done, total, "files", f"{len(writer):,} kept"))
                record, reasons = admission.admit(verdict)
                if record is None:
                    writer.reject(verdict.file.origin, [reason.as_dict() for reason in reasons])
                else:
                    _set_kind(writer, "messages" in record)
                    writer.add(record)
                if limit is not None and len(writer) >= limit:
                    break
            if not done:
                raise UsageError(f"nothing to read in {', '.join(names)}", "name one with code, text or answers in it")
            finished = True  # whatever comes now, judging again would find the same
            if not len(writer):
                raise GatllmError("nothing passed", f"see why with `gatllm data check {names[0]}`")
            writer.finish(
                sources=[_described(name) for name in names],
                contributor=options.contributor,
                made_with=made_with(seed=seed, limit=limit, redacted=admission.redacted, **options.as_dict()),
            )
    finally:
        journal.close(finished=finished)
    return Dataset.open(out)


def _items(sources: Sequence[str | Path | Rows], options: Options) -> Iterator[SourceFile]:
    suffixes = suffixes_of(options.language)
    for source in sources:
        if isinstance(source, Rows):
            yield from source.items(options.columns)
            continue
        yield from open_source(str(source), columns=options.columns, suffixes=suffixes, licence=options.licence)


def _lies_on_disk(name: str) -> bool:
    return name == "stdlib" or name.startswith("dist:") or Path(name).is_dir()


def _described(name: str) -> str:
    """Return a source's name without the place it lay at; a checkout's with its commit."""
    path = Path(name)
    if name == "stdlib" or not path.exists():
        return name if name != "stdlib" else f"stdlib of Python {platform.python_version()}"
    commit = commit_of(path) if path.is_dir() else ""
    return f"{path.resolve().name}@{commit}" if commit else path.resolve().name


def _set_kind(writer: DatasetWriter, conversation: bool) -> None:
    kind = "conversation" if conversation else "positive"
    if len(writer) and writer.kind != kind:
        raise UsageError("conversations and other records don't mix", "build two datasets")
    writer.kind = "conversation" if conversation else "positive"


def made_with(**parameters: Any) -> dict[str, Any]:
    """Return the parameters and tool versions that a manifest names."""
    versions = {"gatllm": version("gatllm"), "python": platform.python_version(), "ruff": version("ruff")}
    return versions | {name: value for name, value in parameters.items() if value not in (None, "", [], {})}
