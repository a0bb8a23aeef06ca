"""Which protections are active: found by trying to break out, not by believing what was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from gatllm.sandbox.execution import Execution, Value, read_execution
from gatllm.sandbox.limits import Limits
from gatllm.sandbox.worker import Worker, WorkerError

_PROBE = """
def attempt(action):
    try:
        action()
    except BaseException:
        return True  # it was stopped
    return False

def connect():
    import socket
    socket.socket()

def write():
    for place in ("/", "/dev", "/usr", "/home", "/var/tmp", "/root"):
        try:
            path = place.rstrip("/") + "/gatllm-probe"
            with open(path, "w"):
                pass
        except OSError:
            continue
        import os
        os.unlink(path)
        return
    raise OSError

def read():
    with open("/etc/passwd"):
        pass

def fork():
    import os
    if os.fork() == 0:
        os._exit(0)

def execute():
    import os
    os.execv("/bin/true", ["true"])

def signal():
    import os
    os.kill(os.getppid(), 0)

def memory():
    bytearray(4 << 30)

def root():
    import os
    if os.getuid() != 0:
        raise OSError

def probe(name):
    return attempt({"network": connect, "writing": write, "reading": read, "processes": fork, "programs": execute,
                    "signals": signal, "memory": memory, "user": root}[name])
"""
NAMES = ("network", "writing", "reading", "processes", "programs", "signals", "memory", "user")
# In the user namespace of user 0 one stays user 0 with no rights at all: not a reason to refuse.
_REQUIRED = frozenset(NAMES) - {"user"}


@dataclass(frozen=True, slots=True)
class Protections:
    """What a candidate was seen to be unable to do, by name (`NAMES`)."""

    backend: str
    active: frozenset[str]

    @property
    def enough(self) -> bool:
        """Whether strangers' code may be run."""
        return self.active >= _REQUIRED

    @property
    def missing(self) -> list[str]:
        """The protections that are not there."""
        return [name for name in NAMES if name not in self.active]

    def missing_text(self) -> str:
        """Return what is missing in words."""
        return f"no protection of {', '.join(self.missing)}" if self.missing else "complete"


def probe(worker: Worker, backend: str) -> Protections:
    """Try to break out of a worker's sandbox in each known way, and end the worker."""
    limits = Limits()
    try:
        active = set()
        for name in NAMES:
            request = {
                "code": _PROBE,
                "function": "probe",
                "inputs": [[name]],
                "stdin": "",
                "limits": limits.as_dict(),
            }
            found: Execution = read_execution(worker.run(request), 1)
            if found.results == [Value(True)]:
                active.add(name)
        return Protections(backend, frozenset(active))
    except (WorkerError, OSError):
        return Protections(backend, frozenset())
    finally:
        worker.close()
