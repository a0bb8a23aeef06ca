"""The child that compiles untrusted source; see `workers.Workers` for how it is spoken to.

Run as a script, so it imports nothing but the standard library. A file that crashes or hangs the compiler takes only
this process with it.
"""

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
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while len(header := requests.read(8)) == 8:
        answer = json.dumps(judge(requests.read(int.from_bytes(header, "big")))).encode()
        answers.write(len(answer).to_bytes(8, "big") + answer)
        answers.flush()


if __name__ == "__main__":
    main()
