"""Starting the same command again under variables that the numerical libraries read once, when they are loaded."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from gatllm.cli.console import note

_AGAIN = "GATLLM_STARTED_AGAIN"


def restart_with(variables: Mapping[str, str]) -> None:
    """Replace this process by the same command with ``variables`` set; return when they are set already."""
    changed = {name: value for name, value in variables.items() if os.environ.get(name) != value}
    if not changed or _AGAIN in os.environ:
        return
    note(f"starting again with {', '.join(f'{name}={value}' for name, value in sorted(changed.items()))}")
    sys.stdout.flush()
    environment = {**os.environ, **changed, _AGAIN: "1"}
    os.execve(sys.executable, [sys.executable, "-m", "gatllm", *sys.argv[1:]], environment)  # noqa: S606
