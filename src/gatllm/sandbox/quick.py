"""A first tier for judging many candidates: Monty, an interpreter of a part of Python written in Rust.

It needs no process of its own for a run and takes a tenth of the time. Only its "passed" is believed, as the parent
compares the values there too; whatever else it says is left to the real interpreter behind its walls.
"""

from __future__ import annotations

from typing import Any

from gatllm.errors import GatllmError
from gatllm.sandbox._server import decode, encode
from gatllm.sandbox.execution import Execution, Value
from gatllm.sandbox.limits import Limits

_SECONDS = 0.25  # what takes longer is left to the real interpreter
_DEPTH = 500


class QuickTier:
    """A pool of Monty workers; thread-safe.

    Raises:
        GatllmError: the optional package is missing.
    """

    def __init__(self, workers: int, limits: Limits) -> None:
        try:
            import pydantic_monty

            self._pool: Any = pydantic_monty.Monty(max_processes=workers)
            self._pool.__enter__()
        except (ImportError, OSError):  # the package, or the program that it starts
            raise GatllmError("the quick tier takes an optional package", "pip install 'gatllm[quick]'") from None
        self._limits = {
            "max_feed_duration_secs": _SECONDS,
            "max_memory": limits.memory_mb << 20,
            "max_recursion_depth": _DEPTH,
        }

    def call(self, code: str, function: str, inputs: list[tuple[Any, ...]]) -> Execution | None:
        """Return what a function gives for each of ``inputs``; None where only the real interpreter can tell."""
        if not function.isidentifier():
            return None
        try:
            with self._pool.checkout(limits=self._limits) as session:
                session.feed_run(code, print_callback=_swallow)
                results = [
                    # Encoded and decoded: plain built-in values only, whatever Monty's own objects pretend to be.
                    Value(decode(encode(session.feed_run(f"{function}(*arguments)", inputs={"arguments": given}))))
                    for given in inputs
                ]
        except Exception:  # unsupported, too slow, too large or wrong: all the same here
            return None
        return Execution("finished", results=list(results))

    def close(self) -> None:
        """End the workers."""
        self._pool.__exit__(None, None, None)


def _swallow(*_: Any) -> None:
    return None
