"""`gatllm check` and `gatllm fix`: find what is wrong in Python files, and mend it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from gatllm.cli.console import diff_lines, err, error_line, lines_of, note, out, print_diff, print_json, progress_report
from gatllm.cli.files import find_files, read_all, shown
from gatllm.errors import GatllmError, UsageError
from gatllm.progress import Progress

if TYPE_CHECKING:
    from gatllm.review import Review

Files = Annotated[str, Parameter(allow_leading_hyphen=True)]  # a lone - is standard input
Format = Literal["text", "json", "sarif", "github"]
_BATCH = 64  # files judged together
_FEW = 8  # files for which importing torch would cost more time than it saves


def _settle(names: Sequence[str]) -> None:
    """For a few files one thread is enough: numpy's threads would wait for each other longer than they compute."""
    if len(names) <= _FEW:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


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
    names = find_files(files, all)
    _settle(names)
    from gatllm.cli.review_formats import WRITERS
    from gatllm.review.default import load_reviewer

    reviewer = load_reviewer(model, quick=len(names) <= _FEW)
    if not reviewer.has_model:
        note("no discriminator found: compiler and ruff only (train one: gatllm train discriminator)")
    pairs: list[tuple[str, Review]] = []
    failed: list[str] = []
    reading = read_all(names, failed)
    with progress_report(quiet=len(names) < 2 * _BATCH) as report:
        while batch := list(islice(reading, _BATCH)):
            reviews = reviewer.check_all([file.text for file in batch])
            pairs += [(file.name, review) for file, review in zip(batch, reviews, strict=True)]
            report(Progress("check", len(pairs) + len(failed), len(names), "files"))
    WRITERS["json" if json else format](pairs)
    return int(bool(failed) or any(review.verdict == "fake" for _, review in pairs))


def fix(
    *files: Files,
    write: Annotated[bool, Parameter(negative=())] = False,
    all: Annotated[bool, Parameter(negative=())] = False,  # noqa: A002
    semantic: Annotated[bool, Parameter(negative=())] = False,
    candidates: int = 1,
    json: Annotated[bool, Parameter(negative=())] = False,
    model: str | None = None,
) -> int:
    """Repair Python files that do not compile. Prints a unified diff; a file is changed only with --write.

    A repair compiles and keeps what carries meaning: names, numbers, operators, the words of strings; anything else is
    a suggestion, shown with --candidates and never written. Exit code 1 when a file was left as it is.

    Args:
        files: Python files; - reads standard input (with --write the repaired text goes to standard output).
        write: write the repaired files.
        all: all Python files in the folders named (default: this folder).
        semantic: also show what the discriminator suggests in files that compile; nothing of it is written.
        candidates: show so many different repairs and suggestions.
        json: print what was done as JSON.
        model: run folder of a discriminator (default: the one that ships with gatllm).
    """
    if candidates < 1:
        raise UsageError(f"--candidates {candidates} is none", "give 1 or more")
    names = find_files(files, all)
    _settle(names)
    from gatllm.review.default import load_reviewer

    reviewer = load_reviewer(model, quick=len(names) <= _FEW)
    if not reviewer.has_model:
        note("no discriminator found: repairing by search alone (train one: gatllm train discriminator)")
    failed: list[str] = []
    told = []
    for file in read_all(names, failed):
        repair = reviewer.fix(file.text, candidates=candidates, semantic=semantic)
        if not repair.compiles:
            failed.append(file.name)
        filter_ = write and file.name == "<stdin>"
        wanted = candidates > 1 or (semantic and repair.compiles)
        texts = [candidate.text for candidate in repair.candidates] if wanted else [repair.text]
        diffs = ["".join(diff_lines(file.text, text, shown(file.name))) for text in texts if text != file.text]
        told.append({"file": file.name, "changed": repair.changed, "by": repair.by, "why": repair.why, "diffs": diffs})
        if not json and not filter_:
            for diff in diffs:
                print_diff(lines_of(diff), out)
        if not repair.changed and (not repair.compiles or len(names) == 1):
            err.print(f"{shown(file.name)}: {repair.why}", markup=False)
        if filter_:
            sys.stdout.buffer.write(file.encoded(repair.text))
            sys.stdout.buffer.flush()
        elif write and repair.changed:
            try:
                file.write(repair.text)
            except GatllmError as error:  # the other files are repaired all the same
                failed.append(file.name)
                error_line(str(error))
    if json:
        print_json(told)
    return int(bool(failed))


def lsp(*, model: str | None = None) -> int:
    """Serve an editor over standard input and output: diagnostics, quick fixes, formatting through errors.

    Args:
        model: run folder of a discriminator (default: the one that ships with gatllm).
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from gatllm.editor.server import serve
    from gatllm.review.default import load_reviewer

    source, sink = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # whatever a library prints must not come between the messages
    return serve(load_reviewer(model, quick=True), source, sink)
