"""`gatllm check` and `gatllm fix`: find what is wrong in Python files, and mend it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from gatllm.cli.console import diff_lines, err, note, out, print_diff, print_json, progress_report
from gatllm.errors import GatllmError, UsageError
from gatllm.progress import Progress

Files = Annotated[str, Parameter(allow_leading_hyphen=True)]  # a lone - is standard input
Format = Literal["text", "json", "sarif", "github"]
_BATCH = 64  # files judged together
_FEW = 8  # files for which importing torch would cost more time than it saves


@dataclass(frozen=True)
class _File:
    name: str
    text: str


def _read(name: str) -> _File:
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except IsADirectoryError:
        raise UsageError(f"{name} is a folder", "name files in it, or use --all") from None
    except OSError as error:
        raise GatllmError(f"can't read {name}: {error.strerror or error}", "name a Python file") from None
    if b"\0" in data:
        raise GatllmError(f"{name} is binary", "name a Python file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise GatllmError(f"{name} is not UTF-8 (byte {error.start})", "convert it first") from None
    return _File("<stdin>" if name == "-" else name, text)


def _names(files: Sequence[str], every: bool) -> list[str]:
    """The files asked for; folders count with ``every``."""
    names: list[str] = []
    for given in files or (["."] if every else []):
        name = "-" if given == "/dev/stdin" else given
        if name != "-" and Path(name).is_dir() and every:
            names += [str(path) for path in sorted(Path(name).rglob("*.py")) if not _hidden(path)]
        else:
            names.append(name)
    if not names:
        raise UsageError("no file named", "name Python files, - for standard input, or --all for all below this folder")
    return names


def _settle(names: Sequence[str]) -> None:
    """For a few files one thread is enough: numpy's threads would wait for each other longer than they compute."""
    if len(names) <= _FEW:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") and part not in (".", "..") for part in path.parts)


def check(
    *files: Files,
    format: Format = "text",  # noqa: A002  # the flag's name
    json: Annotated[bool, Parameter(negative=())] = False,
    all: Annotated[bool, Parameter(negative=())] = False,  # noqa: A002
    model: str | None = None,
) -> int:
    """Check Python files: does each compile, what does ruff find, and what looks wrong to the discriminator.

    Exit code 1 when anything was found.

    Args:
        files: Python files; - reads standard input.
        format: text (file:line:col), json, sarif or github (annotations).
        json: the same as --format json.
        all: also all Python files in the folders named (default: this folder).
        model: run folder of a discriminator (default: the one that ships with gatllm).
    """
    names = _names(files, all)
    _settle(names)
    from gatllm.cli.review_formats import WRITERS
    from gatllm.review.default import load_reviewer

    reviewer = load_reviewer(model, quick=len(names) <= _FEW)
    if not reviewer.has_model:
        note("no discriminator found: compiler and ruff only (train one: gatllm train discriminator)")
    reviewed = []
    with progress_report(quiet=len(names) < 2 * _BATCH) as report:
        for start in range(0, len(names), _BATCH):
            batch = [_read(name) for name in names[start : start + _BATCH]]
            reviewed += list(zip(batch, reviewer.check_all([file.text for file in batch]), strict=True))
            report(Progress("check", len(reviewed), len(names), "files"))
    pairs = [(file.name, review) for file, review in reviewed]
    WRITERS["json" if json else format](pairs)
    return int(any(review.verdict == "fake" for _, review in pairs))


def fix(
    *files: Files,
    write: Annotated[bool, Parameter(negative=())] = False,
    all: Annotated[bool, Parameter(negative=())] = False,  # noqa: A002
    semantic: Annotated[bool, Parameter(negative=())] = False,
    candidates: int = 1,
    json: Annotated[bool, Parameter(negative=())] = False,
    model: str | None = None,
) -> int:
    """Mend Python files that do not compile. Prints a unified diff; a file is changed only with --write.

    The result compiles, else the file is left alone. Exit code 1 when a file could not be mended.

    Args:
        files: Python files; - reads standard input (with --write the mended text goes to standard output).
        write: write the mended files.
        all: all Python files in the folders named (default: this folder).
        semantic: also change files that compile, where the discriminator is sure.
        candidates: show so many different repairs.
        json: print what was done as JSON.
        model: run folder of a discriminator (default: the one that ships with gatllm).
    """
    if candidates < 1:
        raise UsageError(f"--candidates {candidates} is none", "give 1 or more")
    names = _names(files, all)
    _settle(names)
    from gatllm.records import write_file
    from gatllm.review.default import load_reviewer

    reviewer = load_reviewer(model, quick=len(names) <= _FEW)
    if not reviewer.has_model:
        note("no discriminator found: repairing by search alone (train one: gatllm train discriminator)")
    failed, told = False, []
    for name in names:
        file = _read(name)
        repair = reviewer.fix(file.text, candidates=candidates, semantic=semantic)
        failed |= not repair.compiles
        shown = [candidate.text for candidate in repair.candidates] if candidates > 1 else [repair.text]
        diffs = ["".join(diff_lines(file.text, text, file.name)) for text in shown if repair.changed]
        told.append({"file": file.name, "changed": repair.changed, "by": repair.by, "why": repair.why, "diffs": diffs})
        if not json and not (write and name == "-"):
            for diff in diffs:
                print_diff(diff.splitlines(keepends=True), out)
        if not repair.changed and (not repair.compiles or not all):
            err.print(f"{file.name}: {repair.why}", markup=False)
        if write and name == "-":
            sys.stdout.write(repair.text)
        elif write and repair.changed:
            write_file(Path(name).resolve(), repair.text.encode("utf-8"))  # through a link, not in its place
    if json:
        print_json(told)
    return int(failed)


def lsp(*, model: str | None = None) -> None:
    """Serve an editor over standard input and output: findings as diagnostics, repairs as quick fixes.

    Args:
        model: run folder of a discriminator (default: the one that ships with gatllm).
    """
    from gatllm.review.default import load_reviewer
    from gatllm.review.lsp import create_server

    create_server(load_reviewer(model)).start_io()
