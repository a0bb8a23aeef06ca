"""The child that compiles untrusted source: reads length-prefixed files, answers each with one line of JSON.

Run as a script by `syntax.py`, so it imports nothing but the standard library. A file that crashes or hangs the
compiler takes only this process with it.
"""

from __future__ import annotations

import json
import resource
import sys
import warnings

MEMORY = 2 << 30  # bytes of address space


def judge(data: bytes) -> dict[str, object]:
    """Return the error that the compiler finds in ``data`` (kind, message, line), or nothing."""
    try:
        compile(data, "file", "exec", dont_inherit=True)
    except SyntaxError as error:
        return {"kind": type(error).__name__, "message": str(error.msg), "line": error.lineno or 0}
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        return {"kind": type(error).__name__, "message": str(error), "line": 0}
    return {}


def main() -> None:
    """Serve until the input ends."""
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(3000)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while len(header := requests.read(8)) == 8:
        data = requests.read(int.from_bytes(header, "big"))
        answers.write(json.dumps(judge(data)).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    main()
