"""The command-line reference, written from the commands themselves: ``make docs``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from gatllm.cli.frame import app

_HEAD = """# Command line

Written by `make docs`; `gatllm COMMAND --help` says the same. Each option can also be set in the environment, by
command and option (`GATLLM_TRAIN_SEED=7`, `GATLLM_DATA_BUILD_QUIET=1`), or in `gatllm.toml` under the command's table;
other names of variables stand with their options.

"""


def reference() -> str:
    """Return the content of ``docs/cli.md``; a test compares the two."""
    with _started_as("gatllm"), _without_config():
        text = app.generate_docs(output_format="markdown", include_hidden=False)
    body = text.removeprefix("# gatllm\n\n").replace("\r\n", "\n")
    lines = [line.rstrip() for line in body.splitlines()]
    return f"{_HEAD}{chr(10).join(lines)}\n"


@contextmanager
def _started_as(program: str) -> Iterator[None]:
    """Usage lines repeat how this program was started; the reference is for those who start ``program``."""
    before = sys.argv, sys.orig_argv
    sys.argv = sys.orig_argv = [program]
    try:
        yield
    finally:
        sys.argv, sys.orig_argv = before


@contextmanager
def _without_config() -> Iterator[None]:
    """The generator would name the variable of each option without its command: one that nothing reads."""
    before, app.config = app.config, ()
    try:
        yield
    finally:
        app.config = before
