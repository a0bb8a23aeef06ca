"""Files as people name them on the command line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from gatllm.cli.console import error_line
from gatllm.editor.files import PythonFile, read_file
from gatllm.errors import GatllmError, UsageError


def read_all(names: Iterable[str], failed: list[str]) -> Iterator[PythonFile]:
    """Read several files; one that can't be read is an error line and is noted in ``failed``, and the rest go on.

    Raises:
        GatllmError: the only file there is can't be read.
    """
    names = list(names)
    for name in names:
        try:
            yield read_file(name)
        except GatllmError as error:
            if len(names) == 1:
                raise
            failed.append(name)
            error_line(str(error))


def find_files(given: Sequence[str], every: bool) -> list[str]:
    """Return the files asked for; with ``every`` folders stand for all regular ``.py`` and ``.ipynb`` files below them.

    Raises:
        UsageError: there is no such file.
    """
    names: list[str] = []
    for one in given or (["."] if every else []):
        name = "-" if one == "/dev/stdin" else one
        if name != "-" and Path(name).is_dir() and every:
            found = (path for pattern in ("*.py", "*.ipynb") for path in Path(name).rglob(pattern))
            names += sorted(str(path) for path in found if path.is_file() and not _hidden(path))
        else:
            names.append(name)
    if not names:
        raise UsageError("no file named", "name Python files, - for standard input, or --all for all below this folder")
    return names


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") and part not in (".", "..") for part in path.parts)
