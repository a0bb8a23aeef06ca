"""What a skilled forger does: changes a run and makes log, proof and signatures agree with the change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gatllm.records import HashLog, read_log

_CHAIN = {"seq", "time", "event", "prev"}


def rewrite_log(run: Path, change: Callable[[str, dict[str, Any]], dict[str, Any]]) -> None:
    """Replace the fields of each entry by what ``change(event, fields)`` returns, and chain everything anew."""
    entries = read_log(run / "log.jsonl")
    (run / "log.jsonl").unlink()
    with HashLog(run / "log.jsonl") as log:
        for entry in entries:
            fields = {name: value for name, value in entry.items() if name not in _CHAIN}
            log.append(entry["event"], **change(entry["event"], fields))
