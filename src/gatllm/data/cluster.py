"""The same build on a cluster: Ray Data spreads reading and judging, everything that depends on order stays here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from gatllm.data.admission import Options
from gatllm.data.building import Judging
from gatllm.data.sources import SourceFile
from gatllm.data.verdicts import Judge, Reason, Rules, Verdict
from gatllm.errors import GatllmError

FILES_PER_TASK = 256


def ray_judging(*, workers: int | None = None, files_per_task: int = FILES_PER_TASK) -> Judging:
    """Return what `build` takes as ``judging`` to have files judged on a Ray cluster.

    Verdicts come back in the order of the files, so the dataset has the same Merkle root as a local build. Files on
    the disk are read where they are judged: the workers must see them at the same path (a shared file system).

    Args:
        workers: tasks at once at most; None: as many as the cluster takes.
        files_per_task: files of one task.

    Raises:
        GatllmError: Ray is not installed.
    """
    try:
        import ray.data as ray_data
    except ImportError:
        raise GatllmError("building on a cluster needs Ray", "pip install gatllm[ray]") from None

    def judging(files: Iterator[SourceFile], options: Options) -> Iterator[Verdict]:
        context = ray_data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        known = list(files)
        rows = [{"index": index, "file": _packed(file), "data": file.data or b""} for index, file in enumerate(known)]
        given = ray_data.from_items(rows, override_num_blocks=max(1, -(-len(rows) // files_per_task)))
        judged = given.map_batches(
            _judge_batch,
            fn_kwargs={"rules": dict(options.rules), "target": options.target},
            batch_size=files_per_task,
            concurrency=workers,
        )
        for number, row in enumerate(judged.iter_rows()):
            if row["index"] != number:
                raise GatllmError("the cluster gave verdicts out of order", "report this with the version of Ray")
            yield Verdict(known[number], row["text"], [Reason(**reason) for reason in json.loads(row["reasons"])])

    return judging


def _packed(file: SourceFile) -> str:
    return json.dumps(
        {
            "origin": file.origin,
            "path": str(file.path) if file.path else None,
            "content": file.content,
            "language": file.language,
            "problem": file.problem,
        }
    )


def _unpacked(packed: str, data: bytes) -> SourceFile:
    value: dict[str, Any] = json.loads(packed)
    path, problem = value.pop("path"), value.pop("problem")
    file = SourceFile(**value, problem=tuple(problem) if problem else None)
    return replace(file, path=Path(path)) if path else replace(file, data=bytes(data))


def _judge_batch(batch: dict[str, Any], rules: dict[str, str], target: str | None) -> dict[str, list[Any]]:
    files = [_unpacked(str(packed), data) for packed, data in zip(batch["file"], batch["data"], strict=True)]
    with Judge(rules=Rules(rules), target=target, processes=1) as judge:
        verdicts = list(judge.judge(files))
    return {
        "index": [int(index) for index in batch["index"]],
        "text": [verdict.text for verdict in verdicts],
        "reasons": [json.dumps([reason.as_dict() for reason in verdict.reasons]) for verdict in verdicts],
    }
