"""A function of a Python file of the user's, such as a reward or a measure of their own."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gatllm.errors import GatllmError, UsageError


def own_function(file: Path, function: str, usage: str) -> Callable[..., Any]:
    """Return a function of a Python file, which is executed: it is the user's own program.

    Raises:
        UsageError: there is no such file or function; ``usage`` says how it is named.
        GatllmError: the file raises; and from the function, where that does.
    """
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if not file.is_file() or spec is None or spec.loader is None:
        raise UsageError(f"there is no file {file}", usage)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise GatllmError(f"{file} raises {type(error).__name__}: {error}", "correct it there") from None
    found: Any = getattr(module, function, None)
    if not callable(found):
        raise UsageError(f"{file} has no function {function!r}", usage)

    @functools.wraps(found)
    def told(*given: Any, **named: Any) -> Any:
        try:
            return found(*given, **named)
        except GatllmError:
            raise
        except Exception as error:
            raise GatllmError(
                f"{function} of {file.name} raises {type(error).__name__}: {error}", "correct it there"
            ) from error

    return told
