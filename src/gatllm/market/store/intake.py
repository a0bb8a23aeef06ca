"""What somebody uploaded, made into a dataset: checked, reported, in a process of its own with an end to what it takes.

``python -m gatllm.market.store.intake FOLDER`` reads ``FOLDER/intake.json`` and ``FOLDER/upload``; it writes
``FOLDER/dataset`` and ``FOLDER/report.json``, and prints its progress as JSON lines. Uploads are strangers' files:
archives are read member by member and never unpacked, and whatever reads them has limits of its own.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gatllm.data import Contributor, Dataset, Judge, Options, Rules, SourceFile, Summary, Verdict, build
from gatllm.errors import GatllmError
from gatllm.progress import Progress, Report, silent
from gatllm.records import write_file

MEMORY = 6 << 30  # bytes of address space
FILE = 4 << 30  # bytes of one file that it writes
SECONDS = 3600  # of processor time
_SOURCES = (".zip", ".whl", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".json", ".jsonl", ".parquet", ".txt", ".md", ".rst")
# What a report has in any case.
_NOTHING: dict[str, Any] = {"problem": "", "rejected": {}, "records": 0, "root": "", "licences": {}, "redacted": 0,
                            "bytes": 0, "preview": [], "refused": [], "summary": {}, "sizes": []}  # fmt: skip
_SHOWN = 5  # records of the preview
_LONGEST = 3_000  # characters of each
_REJECTED = 50  # of the files that did not pass


def take_in(folder: Path, report: Report = silent) -> dict[str, Any]:
    """Check what lies in ``folder/upload`` and build ``folder/dataset`` of what passes; return the report.

    The report is written even when nothing passes: then it has a ``problem``.

    Raises:
        GatllmError: ``intake.json`` is missing or damaged, or the disk refuses.
    """
    try:
        given = json.loads((folder / "intake.json").read_text(encoding="utf-8"))
        options = Options(
            licence=given["licence"],
            contributor=Contributor(name=given["contributor"], wallet=given["wallet"]),
            against=[Path(path) for path in given["against"]],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GatllmError(f"{folder} holds no upload to check ({error})") from None
    summary = Summary()

    def judging(files: Iterator[SourceFile], options: Options) -> Iterator[Verdict]:
        with Judge(rules=Rules(options.rules), target=options.target) as judge:
            for verdict in judge.judge(files):
                summary.add(verdict)
                yield verdict

    made = dict(_NOTHING)
    try:
        dataset = build(
            sources_of(folder / "upload"),
            folder / "dataset",
            options=options,
            replace=True,
            judging=judging,
            report=report,
        )
        made |= _described(dataset)
    except GatllmError as error:
        made["problem"] = str(error).replace(f"{folder}/upload/", "").replace(str(folder), "the upload")
        made["refused"] = [_refused(entry["origin"], entry["reasons"]) for entry in summary.worst[:_REJECTED]]
    made["summary"] = summary.as_dict()
    made["sizes"] = summary.size_rows()
    write_file(folder / "report.json", json.dumps(made, ensure_ascii=True, indent=1) + "\n")
    return made


def sources_of(upload: Path) -> list[Path]:
    """Return what is read of an upload: its archives and tables one by one, and the folder for its source files."""
    files = sorted(path for path in upload.rglob("*") if path.is_file())
    singly = [path for path in files if path.suffix.lower() in _SOURCES]
    # Licence files lie beside the code that they are for, and are read with it.
    singly = [path for path in singly if not path.stem.upper().startswith(("LICEN", "COPYING", "README"))]
    return [upload, *singly] if any(path.suffix in (".py", ".pyi") for path in files) else singly


def _described(dataset: Dataset) -> dict[str, Any]:
    manifest = dataset.manifest
    preview = []
    for record in dataset.records():
        shown = record.get("text") or json.dumps(record.get("messages", ""), ensure_ascii=False, indent=1)
        preview.append({"origin": record["origin"], "licence": record["licence"], "prompt": record.get("prompt", ""),
                        "text": shown[:_LONGEST]})  # fmt: skip
        if len(preview) == _SHOWN:
            break
    refused = []
    for entry in dataset.rejected():
        refused.append(_refused(entry["origin"], entry["reasons"]))
        if len(refused) == _REJECTED:
            break
    return {
        "kind": manifest.kind,
        "records": manifest.records,
        "root": manifest.merkle_root,
        "licences": manifest.licences,
        "rejected": manifest.rejected,
        "redacted": manifest.made_with.get("redacted", 0),
        "bytes": sum(shard.bytes for shard in manifest.shards),
        "preview": preview,
        "refused": refused,
    }


def _refused(origin: str, reasons: list[dict[str, Any]]) -> dict[str, Any]:
    first = reasons[0]
    return {"origin": origin, "rule": first["rule"], "line": first.get("line"), "message": first["message"]}


def _limit() -> None:
    for what, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, FILE), (resource.RLIMIT_CPU, SECONDS)):
        resource.setrlimit(what, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _end_with_parent() -> None:
    """End when standard input does: a service that was killed leaves no check behind."""

    def watch() -> None:
        while os.read(0, 1):  # not through a buffer, whose lock would be held when the interpreter ends
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _main(folder: Path) -> None:
    _limit()
    _end_with_parent()

    def say(progress: Progress) -> None:
        line = {"done": progress.done, "total": progress.total, "note": progress.note}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    try:
        take_in(folder, say)
    except MemoryError:
        problem = _NOTHING | {"problem": "the upload needs more memory to read than is given to one"}
        write_file(folder / "report.json", json.dumps(problem) + "\n")


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
