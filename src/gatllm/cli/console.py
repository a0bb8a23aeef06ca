"""What commands print with: data on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gatllm.progress import Progress, Report

# rich honours NO_COLOR and turns colours off where there is no terminal.
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def error_line(message: str) -> None:
    """Print one error on one line, whatever the message holds."""
    err.print(f"[bold red]error:[/] {escape(' '.join(message.split()))}")


def note(message: str) -> None:
    """Print one line about what is going on, on stderr."""
    err.print(escape(message))


def print_json(value: Any) -> None:
    """Print ``value`` as JSON on stdout."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    # A file name that is not UTF-8 holds lone surrogates: JSON has them escaped.
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode() + "\n")


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table on stdout; columns of numbers are set to the right."""
    numeric = [bool(rows) and all(isinstance(row[i], int | float) for row in rows) for i in range(len(columns))]
    drawn = Table(title=title or None, title_justify="left", title_style="bold", header_style="bold")
    for name, number in zip(columns, numeric, strict=True):
        drawn.add_column(name, justify="right" if number else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(escape(_cell(value)) for value in row))
    # Without a terminal rich would squeeze the table into 80 columns.
    Console(highlight=False, width=None if out.is_terminal else 140).print(drawn)


def duration(seconds: float) -> str:
    """Return seconds as people say them: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _amount(progress: Progress, of: str) -> str:
    """Return how much is done of how much, with its unit; nothing where nothing is counted."""
    if progress.total is None and not progress.done:
        return ""
    total = f"{of}{progress.total:,.6g}" if progress.total is not None else ""
    return f"{progress.done:,.6g}{total} {progress.unit}".rstrip()


class _Lines:
    """Progress without a terminal: one plain line when a task starts, then one every few seconds."""

    def __init__(self, every: float) -> None:
        self.every = every
        self.shown: dict[str, float] = {}

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        finished = progress.total is not None and progress.done >= progress.total
        if not finished and now - self.shown.get(progress.task, -1e9) < self.every:
            return
        self.shown[progress.task] = now
        told = " ".join(part for part in (_amount(progress, " of "), progress.note) if part)
        note(f"  {progress.task}: {told}" if told else f"  {progress.task} …")


@contextmanager
def progress_report(*, quiet: bool = False, every: float = 10.0) -> Iterator[Report]:
    """Yield a `Report` that draws live bars on a terminal, and plain lines elsewhere."""
    if quiet:
        yield lambda _: None
    elif not err.is_terminal:
        yield _Lines(every)
    else:
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = (
            TextColumn("  {task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[amount]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}"),
        )
        with Bars(*columns, console=err) as bars:
            known: dict[str, Any] = {}

            def draw(progress: Progress) -> None:
                if progress.task not in known:
                    known[progress.task] = bars.add_task(escape(progress.task), total=None, amount="", note="")
                bars.update(
                    known[progress.task],
                    completed=progress.done,
                    total=progress.total,
                    amount=_amount(progress, "/"),
                    note=escape(progress.note),
                )

            yield draw


def lines_of(text: str) -> list[str]:
    """Return the lines of a text, line breaks kept; unlike `str.splitlines`, a form feed ends none."""
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + lines[-1:] * bool(lines[-1])


def diff_lines(before: str, after: str, name: str) -> list[str]:
    """Return a unified diff as lines, each ending in a newline, as `patch` reads it.

    The headers name the file from the working directory, as git does; one elsewhere from the root.
    """
    import difflib

    name = shown(from_here(name)).lstrip("/")
    found = difflib.unified_diff(lines_of(before), lines_of(after), f"a/{name}", f"b/{name}", n=2)
    return [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in found]


def from_here(name: str) -> str:
    """Return a file name relative to the working directory where the file lies below it, else the whole path."""
    if not Path(name).is_absolute() and not name.startswith(".."):
        return os.path.normpath(name)
    whole, here = os.path.abspath(name), os.getcwd()  # noqa: PTH100, PTH109  # links stay as they are named
    return os.path.relpath(whole, here) if os.path.commonpath([whole, here]) == here else whole


def shown(name: str) -> str:
    """Return a file name that takes one line and prints everywhere."""
    return "".join(letter if letter.isprintable() else "�" for letter in name)


def print_diff(lines: Sequence[str], console: Console = out) -> None:
    """Print a unified diff, coloured on a terminal; elsewhere byte for byte, tabs and carriage returns too."""
    styles = {"+": "green", "-": "red", "@": "cyan"}
    for line in lines:
        if console.is_terminal:
            console.print(escape(line.rstrip("\r\n")), style=styles.get(line[:1], ""))
        else:
            console.file.write(line)
