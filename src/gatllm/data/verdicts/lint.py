"""Ruff over a whole batch of files in one process."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gatllm.errors import GatllmError


@dataclass(frozen=True, slots=True)
class Finding:
    """What the linter says of one place: rule code, message, 1-based line."""

    code: str
    message: str
    line: int


def lint(paths: Sequence[Path], select: str, target: str) -> list[list[Finding]]:
    """Return ruff's findings for each file.

    Args:
        paths: existing files without line breaks in their names.
        select: rule selectors, ``E9,F``.
        target: Python version, ``py311``.

    Raises:
        GatllmError: ruff can't be run.
    """
    if not paths:
        return []
    from ruff import find_ruff_bin

    places = [str(path.absolute()) for path in paths]
    options = ["--isolated", "--no-cache", "--quiet", "--exit-zero", "--output-format", "json-lines"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8", errors="surrogateescape") as arguments:
        arguments.write("\n".join(["check", *options, "--select", select, "--target-version", target, *places]))
        arguments.flush()
        try:
            done = subprocess.run([find_ruff_bin(), f"@{arguments.name}"], capture_output=True, check=False)
        except OSError as error:
            raise GatllmError(f"can't run ruff: {error.strerror}", "pip install ruff") from None
    if done.returncode:
        problem = done.stderr.decode(errors="replace").strip().splitlines()
        raise GatllmError(f"ruff failed: {problem[-1] if problem else done.returncode}", "check --rules and --target")
    found: dict[str, list[Finding]] = {place: [] for place in places}
    for line in done.stdout.splitlines():
        entry = json.loads(line)
        row = entry["location"]["row"] if entry["location"] else 0
        found.setdefault(entry["filename"], []).append(Finding(entry["code"], entry["message"], row))
    return [found[place] for place in places]
