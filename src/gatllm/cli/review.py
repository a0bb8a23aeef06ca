"""`gatllm check`, `fix`, `explain`, `lsp` and `mcp`: find what is wrong in Python files, and repair it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from gatllm.cli.console import (
    diff_lines,
    err,
    error_line,
    lines_of,
    note,
    out,
    print_diff,
    print_json,
    progress_report,
    shown,
)
from gatllm.cli.files import find_files, read_all
from gatllm.cli.options import Version
from gatllm.errors import GatllmError, UsageError
from gatllm.progress import Progress

if TYPE_CHECKING:
    from gatllm.editor.checking import Checked
    from gatllm.editor.files import PythonFile
    from gatllm.editor.repairing import Repaired
    from gatllm.review import Reviewer

Files = Annotated[str, Parameter(allow_leading_hyphen=True)]  # a lone - is standard input
Format = Literal["text", "json", "sarif", "github"]
_BATCH = 64  # files judged together
_FEW = 8  # files for which importing torch would cost more time than it saves


def _settle(names: Sequence[str]) -> None:
    """For a few files one thread is enough: numpy's threads would wait for each other longer than they compute."""
    if len(names) <= _FEW:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _reviewer(model: str | None, names: Sequence[str]) -> Reviewer:
    from gatllm.review.default import load_reviewer

    reviewer = load_reviewer(model, quick=len(names) <= _FEW)
    if not reviewer.has_model:
        note("no discriminator found: compiler, ruff and search only (train one: gatllm train discriminator)")
    return reviewer


def _careful(reviewer: Reviewer) -> Reviewer:
    from gatllm.review.careful import load_language_model

    return reviewer.careful(load_language_model())


def check(
    *files: Files,
    format: Format = "text",  # noqa: A002  # the flag's name
    json: Annotated[bool, Parameter(negative=())] = False,
    all: Annotated[bool, Parameter(negative=())] = False,  # noqa: A002
    target_version: Version | None = None,
    model: str | None = None,
) -> int:
    """Check Python files and notebooks: does each compile, what mistakes does ruff find, what looks wrong to the model.

    The project's own ruff settings hold. Exit code 1 when anything was found.

    Args:
        files: Python files and notebooks; - reads standard input.
        format: text (file:line:col), json, sarif or github (annotations).
        json: the same as --format json.
        all: also all Python files and notebooks in the folders named (default: this folder).
        target_version: the oldest Python that the files are for (default: what the project's ruff settings say).
        model: run folder of a discriminator (default: the one that ships with gatllm).
    """
    names = find_files(files, all)
    _settle(names)
    from gatllm.cli.review_formats import WRITERS
    from gatllm.editor.checking import Source, check_sources
    from gatllm.editor.linting import Linter

    reviewer, linter = _reviewer(model, names), Linter(target_version or "", note)
    found: list[Checked] = []
    failed: list[str] = []
    reading = read_all(names, failed)
    done = 0
    with progress_report(quiet=len(names) < 2 * _BATCH) as report:
        while batch := list(islice(reading, _BATCH)):
            sources = [Source(file.name, file.text, on_disk=file.on_disk) for file in batch]
            for one in check_sources(reviewer, linter, sources):
                if isinstance(one, GatllmError):
                    failed.append(str(one))
                    error_line(str(one))
                else:
                    found.append(one)
            done += len(batch)
            report(Progress("check", done + len(failed), len(names), "files"))
    WRITERS["json" if json else format](found)
    return int(bool(failed) or any(one.review.verdict == "fake" for one in found))


def fix(
    *files: Files,
    write: Annotated[bool, Parameter(negative=())] = False,
    all: Annotated[bool, Parameter(negative=())] = False,  # noqa: A002
    semantic: Annotated[bool, Parameter(negative=())] = False,
    careful: Annotated[bool, Parameter(negative=())] = False,
    candidates: int = 1,
    json: Annotated[bool, Parameter(negative=())] = False,
    target_version: Version | None = None,
    model: str | None = None,
) -> int:
    """Repair Python files and notebooks that do not compile. Prints a unified diff; --write changes the files.

    A repair compiles and keeps what carries meaning: names, numbers, operators, the words of strings; anything else is
    a suggestion, shown with --candidates and never written, as is what is not likely enough to be meant. Exit code 1
    when a file was left as it is.

    Args:
        files: Python files and notebooks; - reads standard input (with --write the repaired text is printed).
        write: write the repaired files.
        all: all Python files and notebooks in the folders named (default: this folder).
        semantic: also show what may be meant instead in files that compile; nothing of it is written.
        careful: where it is not clear what was meant, ask the default chat generator's model for code, if it is in the
            cache: it chooses among the repairs and writes one of its own; some seconds for such a file.
        candidates: show so many different repairs and suggestions.
        json: print what was done as JSON: edits, probability, rules, needs, candidates, diff.
        target_version: the oldest Python that the files are for (default: what the project's ruff settings say).
        model: run folder of a discriminator (default: the one that ships with gatllm).
    """
    if candidates < 1:
        raise UsageError(f"--candidates {candidates}: at least one", "give 1 or more")
    names = find_files(files, all)
    _settle(names)
    from gatllm.editor.checking import Source
    from gatllm.editor.linting import Linter
    from gatllm.editor.repairing import fix_source

    reviewer, linter = _reviewer(model, names), Linter(target_version or "", note)
    if careful:
        reviewer = _careful(reviewer)
    failed: list[str] = []
    told = []
    for file in read_all(names, failed):
        try:
            source = Source(file.name, file.text)
            repaired = fix_source(reviewer, linter, source, candidates=candidates, semantic=semantic)
            if not repaired.compiles:
                failed.append(file.name)
            several = candidates > 1 or (semantic and repaired.compiles)
            told.append(_tell(repaired, several, json=json, filters=write and file.name == "<stdin>"))
            if not json and (repaired.why and (not repaired.compiles or repaired.changed or len(names) == 1)):
                err.print(f"{shown(file.name)}: {repaired.why}", markup=False)
            if write:
                _write(file, repaired)
        except GatllmError as error:  # the other files are repaired all the same
            if len(names) == 1:
                raise
            failed.append(file.name)
            error_line(str(error))
    if json:
        print_json(told)
    return int(bool(failed))


def _tell(repaired: Repaired, several: bool, *, json: bool, filters: bool) -> dict[str, object]:
    """Print the repair as diffs, unless it is told as JSON or filtered; return what JSON tells of it."""
    texts = [one.text for one in repaired.candidates] if several else [repaired.text]
    diffs = ["".join(diff_lines(repaired.before, text, repaired.name)) for text in texts if text != repaired.before]
    if not json and not filters:
        for diff in diffs:
            print_diff(lines_of(diff), out)
    return repaired.as_json(diffs[0] if diffs and repaired.changed else "")


def _write(file: PythonFile, repaired: Repaired) -> None:
    if file.name == "<stdin>":
        sys.stdout.buffer.write(file.encoded(repaired.text))
        sys.stdout.buffer.flush()
    elif repaired.changed:
        file.write(repaired.text)


def lsp(*, careful: Annotated[bool, Parameter(negative=())] = False, model: str | None = None) -> int:
    """Serve an editor over standard input and output: diagnostics, quick fixes, formatting through errors.

    Args:
        careful: where it is not clear what was meant also offer what the default chat generator's model for code, if it
            is in the cache, makes of it (0.7 GB of memory once it was asked).
        model: run folder of a discriminator (default: the one that ships with gatllm).
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from gatllm.editor.server import serve
    from gatllm.review.default import load_reviewer

    source, sink = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # whatever a library prints must not come between the messages
    reviewer = load_reviewer(model, quick=True)
    return serve(reviewer, source, sink, careful=_careful(reviewer) if careful else None)


def mcp(*, careful: Annotated[bool, Parameter(negative=())] = False, model: str | None = None) -> None:
    """Serve agents over standard input and output (Model Context Protocol): the tools fix, check and explain.

    Files are those below the working directory.

    Args:
        careful: where it is not clear what was meant ask the default chat generator's model for code, if it is in the
            cache, as fix does (seconds instead of milliseconds, 0.7 GB of memory once it was asked).
        model: run folder of a discriminator (default: the one that ships with gatllm).
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from gatllm.editor.mcp_server import create_mcp_server
    from gatllm.review.default import load_reviewer

    reviewer = load_reviewer(model, quick=True)
    create_mcp_server(_careful(reviewer) if careful else reviewer).run("stdio")


def explain(rule: str) -> None:
    """Say what a rule is about that check or fix names, and how to put it right.

    Args:
        rule: F821, SyntaxError, suspect, backslash-in-path, …
    """
    from gatllm.editor.explaining import explained

    out.print(explained(rule).rstrip(), markup=False)
