"""Ruff over a whole batch of files in one process."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gatllm.errors import GatllmError

_QUIET = ("--isolated", "--no-cache", "--quiet")


DOUBTFUL = "doubtful"  # not a finding: the compiler shall be asked


class _CrashError(Exception):
    """A signal ended ruff."""


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
    places = [os.path.abspath(path) for path in paths]  # noqa: PTH100  # ten times as quick as pathlib
    options = ["check", *_QUIET, "--exit-zero", "--output-format", "json-lines", "--select", select]
    try:
        output = _ruff([*options, "--target-version", target], places)
    except _CrashError:  # nested too deeply, say: find the file, and judge the others
        if len(paths) == 1:
            return [[Finding("invalid-syntax", "the linter crashes on it", 0)]]
        half = len(paths) // 2
        halves = lint(paths[:half], select, target) + lint(paths[half:], select, target)
        # Alone, with a larger stack, it may pass the file that crashed it: here the compiler has the last word.
        return [[*findings, Finding(DOUBTFUL, "the linter crashed near it", 0)] for findings in halves]
    found: dict[str, list[Finding]] = {place: [] for place in places}
    for line in output.splitlines():
        entry = json.loads(line)
        row = entry["location"]["row"] if entry["location"] else 0
        found.setdefault(entry["filename"], []).append(Finding(entry["code"], entry["message"], row))
    return [found[place] for place in places]


def format_distance(paths: Sequence[Path], target: str) -> list[float]:
    """Return the fraction of each file's lines that ``ruff format`` would change (0 where it can't be formatted).

    Raises:
        GatllmError: ruff can't be run.
    """
    places = [os.path.abspath(path) for path in paths]  # noqa: PTH100  # ten times as quick as pathlib
    if not places:
        return []
    try:
        output = _ruff(["format", *_QUIET, "--diff", "--target-version", target], places)
    except _CrashError:
        if len(paths) == 1:
            return [0.0]
        half = len(paths) // 2
        return format_distance(paths[:half], target) + format_distance(paths[half:], target)
    changed: dict[str, int] = {}
    place = ""
    for line in output.split(b"\n"):
        if line.startswith(b"--- "):
            place = str(Path(line[4:].decode("utf-8", "surrogateescape")).absolute())
        elif line.startswith(b"-"):
            changed[place] = changed.get(place, 0) + 1
    counts = [max(1, path.read_bytes().count(b"\n")) for path in paths]
    return [min(1.0, changed.get(place, 0) / count) for place, count in zip(places, counts, strict=True)]


def _ruff(command: Sequence[str], places: Sequence[str]) -> bytes:
    from ruff import find_ruff_bin

    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8", errors="surrogateescape") as arguments:
        arguments.write("\n".join([*command, "--", *places]))
        arguments.flush()
        try:
            done = subprocess.run([find_ruff_bin(), f"@{arguments.name}"], capture_output=True, check=False)
        except OSError as error:
            raise GatllmError(f"can't run ruff: {error.strerror}", "pip install ruff") from None
    if done.returncode < 0:
        raise _CrashError
    # 1: `format --diff` found differences; a file that does not parse is an error there, and no news here.
    if done.returncode not in {0, 1} and command[0] == "check":
        problem = done.stderr.decode(errors="replace").strip().splitlines()
        raise GatllmError(
            f"ruff failed: {problem[0] if problem else done.returncode}", "check the rules and the target"
        )
    return done.stdout
