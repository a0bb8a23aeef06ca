"""The command-line reference, written from the commands themselves: ``make docs``."""

from __future__ import annotations

import sys
from unittest.mock import patch

from gatllm.cli.frame import app


def reference() -> str:
    """Return the content of ``docs/cli.md``; a test compares the two."""
    # The usage lines repeat how this program was started; the reference is for those who start `gatllm`.
    with patch.object(sys, "argv", ["gatllm"]), patch.object(sys, "orig_argv", ["gatllm"]):
        text = app.generate_docs(output_format="markdown", include_hidden=False)
    body = text.removeprefix("# gatllm\n\n").replace("\r\n", "\n")
    lines = [line.rstrip() for line in body.splitlines()]
    head = "# Command line\n\nWritten by `make docs`; `gatllm COMMAND --help` says the same.\n\n"
    return head + "\n".join(lines) + "\n"
