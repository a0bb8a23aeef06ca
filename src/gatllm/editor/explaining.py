"""What a rule is about, in words: gatllm's own, the compiler's errors, ruff's."""

from __future__ import annotations

import re
import subprocess

from gatllm.errors import UsageError
from gatllm.review import meaning
from gatllm.review.rules import RULES
from gatllm.review.rules.pages import page

_RUFF = re.compile(r"[A-Z]{1,4}\d{2,4}\Z")
_OURS = {
    "suspect": (
        "The model finds this place odd: how it is spelt, indented or bracketed. It says what it would do there, and "
        "how likely the place is wrong; that is an opinion, no proof. `# noqa` at the end of a line silences it there."
    ),
    "fake": (
        "As a whole the text looks to the model like code that nobody would leave as it is, though no single place "
        "stands out. A text that is only unusual may look so too."
    ),
    "target-version": (
        "The file uses syntax that is newer than the Python it is for: the version given with --target-version, or by "
        "`target-version` in the project's ruff settings."
    ),
    "SyntaxError": (
        "Python's compiler can't read the file; its words are those of the running Python. `gatllm fix` looks for the "
        "least change that makes it compile and does no harm."
    ),
    "IndentationError": "Python's compiler finds a line that is indented as no block is; see SyntaxError.",
    "TabError": "A block mixes tabs and spaces in a way that Python can't tell how deep it is; see SyntaxError.",
    "RecursionError": "The code is nested more deeply than Python's compiler follows.",
    "ValueError": "The file holds what no Python source may: a null byte, say.",
}


def explained(rule: str) -> str:
    """Return what is known of a rule that `gatllm check` or `gatllm fix` names.

    Raises:
        UsageError: there is no such rule.
    """
    known = {name.lower(): words for name, words in _OURS.items()}
    if (words := known.get(rule.lower())) is not None:
        return f"# {rule}\n\n{words}\n"
    if (meant := meaning.explained(rule.lower())) is not None:
        return f"# {rule}\n\n{meant}\n"
    if (own := next((one for one in RULES if one.name == rule.lower()), None)) is not None:
        return page(own).removeprefix("#")
    if _RUFF.match(rule.upper()) and (words := _from_ruff(rule.upper())):
        return words
    raise UsageError(
        f"there is no rule {rule}",
        f"known: {', '.join((*_OURS, *meaning.RULES))}, ruff's such as F821, and those of docs/rules.md",
    )


def _from_ruff(code: str) -> str:
    from ruff import find_ruff_bin

    try:
        command = [find_ruff_bin(), "rule", code]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""
