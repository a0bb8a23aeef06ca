"""What is Python at all: code of a newer version than the one that runs here, and lines for a shell or a notebook."""

from __future__ import annotations

import json
import re
import subprocess

from gatllm.review.critics import syntax_error

_NEWEST = "py314"  # the newest grammar that ruff knows
# A notebook's magic and shell lines, and prompts of a terminal.
_SHELL = re.compile(
    r"^[ \t]*(?:[!%]{1,2}\s*[A-Za-z/~.]|\$ |(?:python3?|pip3?|conda|uv|git|cd|sudo|apt)\s+\S)", re.MULTILINE
)


def is_foreign(code: str) -> bool:
    """Tell whether code does not compile here for a reason that is not a mistake, so that nothing may be repaired."""
    if syntax_error(code) is None:
        return False
    return _SHELL.search(code) is not None or parses_in_newest(code)


def parses_in_newest(code: str) -> bool:
    """Tell whether the newest Python would read the code."""
    from ruff import find_ruff_bin

    command = [find_ruff_bin(), "check", "--isolated", "--no-cache", "--exit-zero", "--quiet"]
    command += ["--target-version", _NEWEST, "--output-format", "json", "--stdin-filename", "a.py", "-"]
    try:
        done = subprocess.run(
            command, input=code.encode("utf-8", "surrogatepass"), capture_output=True, check=True, timeout=60
        )
        found = json.loads(done.stdout or b"[]")
    except (OSError, subprocess.SubprocessError, ValueError):
        return False
    return not any(entry["code"] in (None, "invalid-syntax") for entry in found)
