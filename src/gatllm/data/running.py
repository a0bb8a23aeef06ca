"""Does a file run? Its module is executed in the sandbox, and what goes wrong is the error report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_STOPPED = {
    "timeout": "it does not end in time",
    "output": "it prints too much",
    "memory": "it takes too much memory",
    "killed": "it was killed",
    "silent": "it ends its interpreter",
    "forged": "it tampers with the report",
}


@contextmanager
def running() -> Iterator[Callable[[str], str]]:
    """Yield a function that runs a file's text in the sandbox and returns what went wrong, or ''.

    Raises:
        GatllmError: this machine can't wall untrusted code off.
    """
    from gatllm.sandbox import Runner

    with Runner() as runner:

        def run(text: str) -> str:
            execution = runner.run(text)
            if execution.status == "finished":
                return ""
            return str(execution.error) if execution.error else _STOPPED.get(execution.status, execution.status)

        yield run
