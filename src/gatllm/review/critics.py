"""What can be said of a text without a model: does it compile, and what does ruff find (E9 and F, no style rules).

Which rules: static critics beyond syntax and undefined names flag good code about as often as bad (`dev/LOG.md`).
"""

from __future__ import annotations

import ast
import json
import subprocess
import tempfile
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gatllm.errors import GatllmError

RULES = "E9,F"
# Well-kept code has these on purpose: unused imports and variables, star imports, f-strings without fields.
NO_MISTAKES = "F401,F403,F405,F541,F841"
LARGEST = 2_000_000  # characters that the compiler is asked about: a second's work; what is longer is data, for ruff
_WARNINGS = threading.Lock()  # `warnings.catch_warnings` changes the whole process


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake at a place: ``line`` and ``column`` from 1, the critic's own code and words."""

    line: int
    column: int
    code: str
    message: str
    critic: str


def syntax_error(text: str) -> Finding | None:
    """Return the parser's first complaint, or None where the text parses (quicker than `compile_error`)."""
    return _complaint(ast.parse, text)


def compile_error(text: str) -> Finding | None:
    """Return the compiler's first complaint: the parser's, or a later one such as ``'return' outside function``."""
    return _complaint(lambda source: compile(source, "<text>", "exec", dont_inherit=True), text)


def _complaint(check: Callable[[str], object], text: str) -> Finding | None:
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            check(text)
        except SyntaxError as error:
            line, column = error.lineno or 1, error.offset or 1
            return Finding(
                max(line, 1), max(column, 1), type(error).__name__, error.msg or "invalid syntax", "compiler"
            )
        except (ValueError, OverflowError) as error:  # a null byte, a lone surrogate, a number of too many digits
            return Finding(1, 1, type(error).__name__, str(error), "compiler")
        except (RecursionError, MemoryError):
            return Finding(1, 1, "RecursionError", "nested too deeply for the compiler", "compiler")
    return None


def lint(texts: Sequence[str], *, ignore: str = "") -> list[tuple[Finding, ...]]:
    """Return ruff's findings (rules E9 and F) for each text; one process for the whole batch.

    Args:
        texts: the texts, each judged alone and without any project's settings.
        ignore: rules left out, as ruff takes them.

    Raises:
        GatllmError: ruff does not run.
    """
    if not texts:
        return []
    with tempfile.TemporaryDirectory(prefix="gatllm-") as folder:
        for number, text in enumerate(texts):
            (Path(folder) / f"{number}.py").write_bytes(text.encode("utf-8", "surrogatepass"))
        found: list[list[Finding]] = [[] for _ in texts]
        for entry in _ruff(folder, ignore):
            if entry["code"] is None or entry["code"] == "invalid-syntax":
                continue  # that is the compiler's part
            place = entry["location"]
            number = int(Path(entry["filename"]).stem)
            found[number].append(Finding(place["row"], place["column"], entry["code"], entry["message"], "ruff"))
    return [tuple(findings) for findings in found]


def mistakes(texts: Sequence[str]) -> list[tuple[Finding, ...]]:
    """Return what `lint` finds but for `NO_MISTAKES`: what is wrong whatever a project's style."""
    return lint(texts, ignore=NO_MISTAKES)


def _ruff(folder: str, ignore: str) -> list[dict]:  # type: ignore[type-arg]  # ruff's own JSON
    from ruff import find_ruff_bin

    command = [find_ruff_bin(), "check", "--isolated", "--no-cache", "--exit-zero", "--quiet"]
    command += ["--select", RULES, "--output-format", "json", *(["--ignore", ignore] if ignore else []), folder]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=300)
        out: list[dict] = json.loads(done.stdout or b"[]")  # type: ignore[type-arg]
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise GatllmError(f"ruff does not run: {error}", "install ruff") from None
    return out


def quietly_parsed(text: str) -> ast.Module | None:
    """Return the syntax tree of a text without a word about its escapes; None where it has none."""
    try:
        with _WARNINGS, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def same_tree(first: str, second: str) -> bool:
    """Tell whether two texts have the same syntax tree (places and white space aside); false where one has none."""
    from gatllm.data.languages import language

    python = language("python")
    with _WARNINGS:
        one, other = (python.parse(text)[0] for text in (first, second))
    return one is not None and other is not None and python.same(one, other)
