"""Builds datasets: sources → verdicts → a positive dataset; a positive dataset → corruption → a negative one."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Any

from gatllm.data.corruption import MAX_LEVEL, corrupt
from gatllm.data.dataset import Dataset, DatasetWriter
from gatllm.data.functions import functions
from gatllm.data.manifest import Contributor
from gatllm.data.sources import SourceFile, open_source
from gatllm.data.verdicts import Judge, Reason
from gatllm.errors import GatllmError, UsageError
from gatllm.progress import Progress, Report, silent
from gatllm.records import new_folder, sha256

_SHORTEST = 40  # characters: below, a function has no room for an error that can be told from the original


def build(
    sources: str | Sequence[str],
    out: Path | str,
    *,
    limit: int | None = None,
    seed: int = 0,
    replace: bool = False,
    contributor: Contributor | None = None,
    report: Report = silent,
) -> Dataset:
    """Write a positive dataset of the files of ``sources`` that pass; the rest go to ``rejected.jsonl`` with reasons.

    Args:
        sources: see `open_source`.
        out: the dataset folder; it appears whole or not at all.
        limit: stop after that many files are accepted.
        seed: with a limit, files are taken in an order drawn from it; without, in order.

    Raises:
        UsageError: a source does not exist or no file passes.
        GatllmError: ``out`` is already there or can't be written.
    """
    sources = [sources] if isinstance(sources, str) else list(sources)
    out = Path(out)
    files = [file for source in sources for file in open_source(source)]
    if not files:
        raise UsageError(f"no Python file in {', '.join(sources)}", "name a folder that holds .py files")
    if limit is not None:
        Random(seed).shuffle(files)
    with new_folder(out, replace=replace) as folder, DatasetWriter(folder, "positive", out.name) as writer:
        seen: dict[str, str] = {}
        for done, (file, text, found) in enumerate(_judged(files), 1):
            report(Progress("check", done, len(files), "files"))
            hashed = sha256(text.encode("utf-8", "surrogatepass"))
            reasons = found or ([Reason("duplicate", f"same as {seen[hashed]}")] if hashed in seen else [])
            if reasons:
                writer.reject(file.origin, [reason.as_dict() for reason in reasons])
                continue
            seen[hashed] = file.origin
            writer.add(
                {"id": hashed[:16], "text": text, "sha256": hashed, "licence": file.licence, "origin": file.origin}
            )
            if limit is not None and len(writer) >= limit:
                break
        if not len(writer):
            raise GatllmError("no file passed", f"see why with `gatllm data check {sources[0]}`")
        writer.finish(sources=sources, contributor=contributor, made_with=_made_with(seed=seed, limit=limit))
    return Dataset.open(out)


def _judged(files: Iterable[SourceFile]) -> Iterator[tuple[SourceFile, str, list[Reason]]]:
    with Judge() as judge:
        for verdict in judge.judge(files):
            yield verdict.file, verdict.text, verdict.reasons


def _made_with(**parameters: Any) -> dict[str, Any]:
    return {
        "gatllm": version("gatllm"),
        "python": platform.python_version(),
        "ruff": version("ruff"),
        **{name: value for name, value in parameters.items() if value is not None},
    }


def build_negative(
    positive: Dataset | Path | str,
    out: Path | str,
    *,
    seed: int = 0,
    level: int | Sequence[int] = (1, 2, 3, 4, 5),
    limit: int | None = None,
    replace: bool = False,
    report: Report = silent,
) -> Dataset:
    """Write a negative dataset: each function of a positive one, broken, with the edits that mend it.

    Args:
        positive: the dataset, or its folder.
        out: the dataset folder; it appears whole or not at all.
        seed: the same seed and dataset give the same bytes.
        level: difficulty 1 to 5 (see `corrupt`), or several to take in turn.
        limit: number of pairs at most, spread over the whole dataset.

    Raises:
        UsageError: there is no such level.
        GatllmError: ``positive`` is no dataset, nothing could be broken, or ``out`` can't be written.
    """
    source = positive if isinstance(positive, Dataset) else Dataset.open(positive)
    levels = [level] if isinstance(level, int) else list(level)
    if not levels or not all(1 <= one <= MAX_LEVEL for one in levels):
        raise UsageError(f"no corruption level {level}", f"take 1 to {MAX_LEVEL}")
    out = Path(out)
    share = None if limit is None else max(1, -(-limit // max(1, len(source))))
    with new_folder(out, replace=replace) as folder, DatasetWriter(folder, "negative", out.name) as writer:
        for done, record in enumerate(source.records(), 1):
            report(Progress("corrupt", done, len(source), "files"))
            for pair in _pairs(record, Random(f"{seed}:{record['id']}"), levels, share):
                writer.add(pair)
            if limit is not None and len(writer) >= limit:
                break
        if not len(writer):
            raise GatllmError(f"nothing in {source.path} could be broken", "build it from code with functions")
        writer.finish(
            sources=list(source.manifest.sources),
            contributor=source.manifest.contributor,
            parent=source.manifest.merkle_root,
            made_with=_made_with(seed=seed, level=levels, limit=limit),
        )
    return Dataset.open(out)


def _pairs(record: dict[str, Any], rng: Random, levels: list[int], share: int | None) -> Iterator[dict[str, Any]]:
    candidates = [one for one in functions(record["text"]) if len(one.text) >= _SHORTEST]
    if share is not None and len(candidates) > share:
        candidates = rng.sample(candidates, share)
    for function in candidates:
        level = rng.choice(levels)
        made = corrupt(function.text, rng, level)
        if made is None:
            continue
        origin = f"{record['origin']}#{function.name}"
        yield {
            "id": sha256(f"{origin}\0{made.broken}".encode("utf-8", "surrogatepass"))[:16],
            "source": record["id"],
            "broken": made.broken,
            "text": function.text,
            "edits": [list(edit) for edit in made.edits],
            "families": list(made.families),
            "syntactic": made.syntactic,
            "level": level,
            "licence": record["licence"],
            "origin": origin,
        }
