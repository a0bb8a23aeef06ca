"""A training run in a process of its own, watched by a program that may die: ``python -m gatllm.training.supervised``.

``RECIPE RUN`` are its arguments. It prints one JSON object a line: ``{"task": …}`` for how far it is, ``{"event": …}``
for checkpoints, validations and the end; on a mistake that a user can correct ``{"problem": …}``, and it ends with 1.
When its standard input ends, so does it, as on Ctrl-C: after the update that it is at, with a checkpoint.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gatllm.errors import GatllmError
from gatllm.progress import Progress
from gatllm.system import lock

_SLOWER = 5  # niceness: whoever waits for an answer comes first
_PATIENCE = 120.0  # seconds for the update and its checkpoint, once nobody watches any more
_LISTENER = sys.stdout
_EVENTS = ("checkpoint", "validation", "end")


def _end_with_parent() -> None:
    def watch() -> None:
        while os.read(0, 1):  # not through a buffer, whose lock would be held when the interpreter ends
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(_PATIENCE)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _tell(**words: Any) -> None:
    with contextlib.suppress(BrokenPipeError):  # the end of standard input is about to say the same
        _LISTENER.write(json.dumps(words) + "\n")
        _LISTENER.flush()


def _main(recipe: Path, run: Path) -> int:
    _end_with_parent()
    if hasattr(os, "nice"):  # not on Windows
        os.nice(_SLOWER)
    # One that lost its parent may still be writing its checkpoint.
    with (run.parent / f".{run.name}.lock").open("a", encoding="utf-8") as alone:
        lock(alone)
        from gatllm.training import train

        def observe(event: str, fields: Mapping[str, Any]) -> None:
            if event in _EVENTS:
                _tell(event=event, **{name: fields[name] for name in ("step", "loss") if name in fields})

        def report(progress: Progress) -> None:
            _tell(task=progress.task, done=progress.done, total=progress.total, note=progress.note)

        try:
            train(recipe, run, observe=observe, report=report)
        except GatllmError as error:
            _tell(problem=str(error))
            return 1
        except KeyboardInterrupt:
            return 130
    return 0


if __name__ == "__main__":
    sys.stdout = sys.stderr  # what libraries print is none of the lines
    sys.exit(_main(Path(sys.argv[1]), Path(sys.argv[2])))
