"""The command-line reference, written from the commands themselves: ``make docs``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from gatllm.cli.frame import app


def reference() -> str:
    """Return the content of ``docs/cli.md``; a test compares the two."""
    with _started_as("gatllm"):
        text = app.generate_docs(output_format="markdown", include_hidden=False)
    body = text.removeprefix("# gatllm\n\n").replace("\r\n", "\n")
    lines = [line.rstrip() for line in body.splitlines()]
    head = "# Command line\n\nWritten by `make docs`; `gatllm COMMAND --help` says the same.\n\n"
    return head + "\n".join(lines) + "\n"


@contextmanager
def _started_as(program: str) -> Iterator[None]:
    """Usage lines repeat how this program was started; the reference is for those who start ``program``."""
    before = sys.argv, sys.orig_argv
    sys.argv = sys.orig_argv = [program]
    try:
        yield
    finally:
        sys.argv, sys.orig_argv = before
