"""Builds negative datasets: the functions of a positive one, broken, with the edits that repair them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from gatllm.data.building import made_with
from gatllm.data.corruption import MAX_LEVEL, corrupt
from gatllm.data.curriculum import Curriculum
from gatllm.data.dataset import Dataset, DatasetWriter
from gatllm.data.functions import functions
from gatllm.data.workers import CRASHED, TIMED_OUT, Workers, serve
from gatllm.errors import GatllmError
from gatllm.progress import Progress, Report, silent
from gatllm.records import new_folder, sha256

_SHORTEST = 40  # characters: below, a function has no room for an error that can be told from the original
_CHILD = [sys.executable, "-c", "from gatllm.data.breaking import _serve; _serve()"]


def build_negative(
    positive: Dataset | Path | str,
    out: Path | str,
    *,
    seed: int = 0,
    level: int | Sequence[int] | Curriculum = (1, 2, 3, 4, 5),
    families: Sequence[str] | None = None,
    limit: int | None = None,
    processes: int | None = None,
    replace: bool = False,
    report: Report = silent,
) -> Dataset:
    """Write a negative dataset: each function of a positive one, broken, with the edits that repair it.

    Args:
        positive: the dataset, or its folder; records of code that has no functions are broken as a whole.
        out: the dataset folder; it appears whole or not at all.
        seed: the same seed and dataset give the same bytes, whatever the number of processes.
        level: difficulty 1 to 5 (see `corrupt`), several to draw from, or a `Curriculum`, whose mixture moves from
            the first record to the last.
        families: only these; None: all that suit the level.
        limit: number of pairs at most, spread over the whole dataset.
        processes: child processes; None: one for each processor.
        replace: put the new dataset in the place of one that is there.
        report: told after each record.

    Raises:
        UsageError: there is no such level or family.
        GatllmError: ``positive`` is not a positive dataset, nothing could be broken, or ``out`` can't be written.
    """
    source = positive if isinstance(positive, Dataset) else Dataset.open(positive)
    if source.manifest.kind != "positive":
        raise GatllmError(f"{source.path} is a {source.manifest.kind} dataset", "break a positive one")
    plan = level if isinstance(level, Curriculum) else Curriculum.constant([level] if isinstance(level, int) else level)
    if families is not None:
        corrupt("x = (1, 2)", Random(0), 1, families)  # an unknown family is refused before the work begins
    out = Path(out)
    per_record = None if limit is None else max(1, -(-limit // max(1, len(source))))
    language = str(source.manifest.made_with.get("language", "python"))

    def tasks() -> Iterator[bytes]:
        for number, record in enumerate(source.records()):
            weights = plan.mixture(number / max(1, len(source) - 1))
            task = [record["text"], record["origin"], record["id"], record["licence"], f"{seed}:{record['id']}"]
            yield json.dumps([*task, weights, families, per_record, language]).encode()

    with (
        new_folder(out, replace=replace) as folder,
        DatasetWriter(folder, "negative", out.name) as writer,
        Workers(_CHILD, processes=processes, seconds=300) as workers,
    ):
        refused = 0
        for done, answer in enumerate(workers.map(tasks()), 1):
            report(Progress("corrupt", done, len(source), "files", f"{len(writer):,} pairs"))
            pairs, missed = ([], 1) if answer in {CRASHED, TIMED_OUT} else json.loads(answer)
            refused += missed
            for pair in pairs:
                if limit is None or len(writer) < limit:
                    writer.add(pair)
            if limit is not None and len(writer) >= limit:
                break
        if not len(writer):
            raise GatllmError(f"nothing in {source.path} could be broken", "build it from code with functions")
        writer.finish(
            sources=list(source.manifest.sources),
            contributor=source.manifest.contributor,
            parent=source.manifest.merkle_root,
            made_with=made_with(
                seed=seed, levels=plan.as_list(), families=list(families or []), limit=limit, refused=refused,
                language=language,
            ),
        )  # fmt: skip
    return Dataset.open(out)


def _serve() -> None:
    serve(lambda task: json.dumps(_pairs(*json.loads(task))).encode())


def _pairs(
    text: str,
    origin: str,
    identity: str,
    licence: str,
    seed: str,
    weights: list[float],
    families: list[str] | None,
    per_record: int | None,
    language: str,
) -> tuple[list[dict[str, Any]], int]:
    """Return the pairs of one record, and how many pieces could not be broken."""
    rng = Random(seed)
    pieces = [(f"{origin}#{one.name}", one.text) for one in functions(text) if len(one.text) >= _SHORTEST]
    if language != "python" or not pieces:
        pieces = [(origin, text)]
    if per_record is not None and len(pieces) > per_record:
        pieces = rng.sample(pieces, per_record)
    pairs = []
    for place, good in pieces:
        level = rng.choices(range(1, MAX_LEVEL + 1), weights)[0]
        made = corrupt(good, rng, level, families, language=language)
        if made is None:
            continue
        pairs.append(
            {
                "id": sha256(f"{place}\0{made.broken}".encode())[:16],
                "source": identity,
                "broken": made.broken,
                "text": good,
                "edits": [list(edit) for edit in made.edits],
                "families": list(made.families),
                "syntactic": made.syntactic,
                "level": level,
                "distance": made.distance,
                "licence": licence,
                "origin": place,
            }
        )
    return pairs, len(pieces) - len(pairs)
