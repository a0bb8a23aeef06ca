"""Candidates that try to win without computing, to break out, to stay, or to break the machine: all must lose."""

from __future__ import annotations

import errno
import os
import platform
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gatllm.errors import GatllmError
from gatllm.sandbox import CandidateError, Case, Job, Limits, Runner, Value, filters, worker
from gatllm.sandbox.execution import read_execution

CASES = (Case((2, 3), 5), Case((10, -4), 6), Case(([1], [2]), [1, 2]))
HONEST = "def add(a, b):\n    return a + b\n"

# Each of these passed under "exit code 0 means right", or could.
FORGERIES = {
    "os._exit at the top": "import os\nos._exit(0)",
    "sys.exit at the top": "import sys\nsys.exit(0)",
    "raise SystemExit": "raise SystemExit(0)",
    "os._exit inside": "import os\ndef add(a, b):\n    os._exit(0)",
    "sys.exit inside": "import sys\ndef add(a, b):\n    sys.exit(0)",
    "equal to everything": "class Any:\n    def __eq__(self, other): return True\ndef add(a, b): return Any()",
    "an int equal to everything": (
        "class Any(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__\n"
        "def add(a, b): return Any()"
    ),
    "a list equal to everything": (
        "class Any(list):\n    def __eq__(self, other): return True\ndef add(a, b): return Any([1])"
    ),
    "a class that claims to be int": (
        "class Any:\n    __class__ = int\n    def __eq__(self, other): return True\ndef add(a, b): return Any()"
    ),
    "patched builtins": (
        "import builtins\nbuiltins.AssertionError = Exception\nbuiltins.type = lambda *a: int\n"
        "builtins.isinstance = lambda *a: True\ndef add(a, b): return 0"
    ),
    "patched json": "import json\njson.dumps = lambda *a, **k: '{\"finished\": true}'\ndef add(a, b): return 0",
    "its own reply": 'import os\nos.write(3, b\'{"values": [{"value": 5}]}\')\nos._exit(0)\ndef add(a, b): return 0',
    "a reply before the reply": (
        'import os\nos.write(3, b\'{"values": [{"value": 0}, {"value": 0}, {"value": 0}]}\')\n' + HONEST
    ),
    "nonsense as a reply": "import os\nos.write(3, b'\\xff\\x00[[[')\nos._exit(0)",
    "the reply of a program": "import os\nos.write(3, b'{\"finished\": true}')\nos._exit(0)",
    "a closed reply": "import os\nos.close(3)\n" + HONEST,
    "patched server": (
        "import sys\nmain = sys.modules['__main__']\nmain.encode = lambda v: 5\ndef add(a, b): return None"
    ),
    "searching the frames": (
        "import sys\ndef add(a, b):\n    frame = sys._getframe()\n    while frame:\n"
        "        for value in list(frame.f_locals.values()):\n"
        "            if isinstance(value, dict) and 'expected' in value: return value['expected']\n"
        "        frame = frame.f_back\n"
    ),
    "no function": "x = 1",
    "not a function": "add = 5",
    "does not parse": "def add(a, b:\n",
}


@pytest.mark.parametrize("name", list(FORGERIES))
def test_nothing_but_the_right_values_passes(runner: Runner, name: str) -> None:
    verdict = runner.check(Job(FORGERIES[name], "add", CASES))
    assert not verdict.passed
    assert verdict.why
    assert runner.check(Job(HONEST, "add", CASES)).passed


@pytest.fixture(scope="module")
def quick(runner: Runner) -> Iterator[Runner]:
    try:
        made = Runner(workers=1, limits=Limits(wall_seconds=1.5), quick=True)
    except GatllmError as error:
        pytest.skip(str(error))
    with made:
        yield made


@pytest.mark.parametrize("name", list(FORGERIES))
def test_the_quick_tier_lets_nothing_else_pass(quick: Runner, name: str) -> None:
    assert not quick.check(Job(FORGERIES[name], "add", CASES)).passed


def test_the_quick_tier_agrees_on_honest_programs(quick: Runner) -> None:
    assert quick.check(Job(HONEST, "add", CASES)).passed
    # What Monty does not know continues to the real interpreter.
    assert quick.check(Job("import heapq\ndef f(x): return heapq.nsmallest(1, x)", "f", (Case(([2, 1],), [1]),))).passed
    assert not quick.check(Job("def f(x):\n    while True: pass", "f", (Case((1,), 1),))).passed


def test_no_case_proves_nothing(runner: Runner) -> None:
    assert not runner.check(Job(HONEST, "add", ())).passed


# What each does must raise inside the sandbox: the function returns "escaped" when it worked.
ESCAPES = {
    "a socket": "import socket; socket.socket()",
    "a socket by hand": (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nif libc.socket(2, 1, 0) < 0: raise OSError"
    ),
    "a socket by number": (
        "import ctypes, platform\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "number = {'x86_64': 41, 'aarch64': 198}[platform.machine()]\n"
        "if libc.syscall(number, 2, 1, 0) < 0: raise OSError"
    ),
    "a fork": "import os\nif os.fork() == 0: os._exit(0)",
    "a fork by hand": "import ctypes\nif ctypes.CDLL(None).fork() < 0: raise OSError",
    "a process": "import subprocess; subprocess.run(['/bin/true'])",
    "a program": "import os; os.execv('/bin/true', ['true'])",
    "os.system": "import os\nif os.system('true'): raise OSError",
    "posix_spawn": "import os; os.posix_spawn('/bin/true', ['true'], {})",
    "killing the server": "import os; os.kill(os.getppid(), 9)",
    "killing all": "import os; os.kill(-1, 9)",
    "killing the group": "import os; os.killpg(0, 9)",
    "higher limits": "import resource; resource.setrlimit(resource.RLIMIT_CPU, (99, 99))",
    "the password file": "open('/etc/passwd').read()",
    "home folders": "import os; os.listdir('/home')",
    "the environment of others": "open('/proc/1/environ', 'rb').read()",
    "its own memory": "open('/proc/self/mem', 'rb')",
    "writing to the root": "open('/x', 'w')",
    "writing to the interpreter": "import os; open(os.__file__, 'a')",
    "writing to devices": "open('/dev/x', 'w')",
    "becoming root": "import os; os.setuid(0)",
    "mounting": ("import ctypes\nif ctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, None) != 0: raise OSError"),
    "a namespace": "import ctypes\nif ctypes.CDLL(None).unshare(0x10000000) != 0: raise OSError",
    "tracing": "import ctypes, os\nif ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0) != 0: raise OSError",
    "a large file": "f = open('/tmp/f', 'wb')\nfor _ in range(64): f.write(bytes(1 << 20)); f.flush()",
    "much memory": "x = bytearray(1 << 30)",
    "a link out": "import os; os.symlink('/etc', '/tmp/e')",
    "shared memory": "import ctypes\nif ctypes.CDLL(None).shmget(77, 4096, 0o1666) < 0: raise OSError",
    "owning a descriptor": "import fcntl, os\nr, w = os.pipe()\nfcntl.fcntl(r, fcntl.F_SETOWN, os.getppid())",
    "owning it with half a word more": (
        "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\nr, w = os.pipe()\n"
        "if libc.syscall(72, r, ctypes.c_long(8 | 1 << 32), os.getppid()) < 0: raise OSError"
    ),
    "owning it by structure": (
        "import fcntl, os, struct\nr, w = os.pipe()\nfcntl.fcntl(r, 15, struct.pack('ii', 1, os.getppid()))"
    ),
    "another signal of a descriptor": "import fcntl, os\nr, w = os.pipe()\nfcntl.fcntl(r, 10, 9)",
    "owning it by FIOSETOWN": (
        "import fcntl, os, struct\nr, w = os.pipe()\nfcntl.ioctl(r, 0x8901, struct.pack('i', os.getppid()))"
    ),
    "owning it by SIOCSPGRP": (
        "import fcntl, os, struct\nr, w = os.pipe()\nfcntl.ioctl(r, 0x8902, struct.pack('i', os.getppid()))"
    ),
    "many files": "import os\nopen_files = [open('/dev/null') for _ in range(100)]",
}


@pytest.mark.parametrize("name", list(ESCAPES))
def test_there_is_no_way_out(runner: Runner, name: str) -> None:
    body = "\n".join(f"        {line}" for line in ESCAPES[name].splitlines())
    code = f"def escape():\n    try:\n{body}\n    except BaseException:\n        return 'held'\n    return 'escaped'\n"
    assert runner.call(code, "escape", [()]).results == [Value("held")]


def test_the_parent_s_environment_is_not_there(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATLLM_KEY", "a secret")
    runner.close()  # the next server starts while the secret is set
    found = runner.call("import os\ndef f(): return dict(os.environ)", "f", [()]).results[0]
    assert isinstance(found, Value)
    assert "GATLLM_KEY" not in found.value
    assert set(found.value) <= {"GATLLM_SCRATCH", "HOME", "TMPDIR", "LANG", "PYTHONHASHSEED", "PWD", "LC_CTYPE"}


BOMBS = {
    "a loop": ("while True: pass", "timeout"),
    "a loop that ignores the signal": (
        "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
        "timeout",
    ),
    "sleep": ("import time; time.sleep(99)", "timeout"),
    "sleep with closed pipes": ("import os, time\nfor i in range(1, 4): os.close(i)\ntime.sleep(99)", "timeout"),
    "a gigabyte of output": ("while True: print('x' * 1_000_000)", "output"),
    "errors without end": ("import sys\nwhile True: sys.stderr.write('x' * 1_000_000)", "output"),
    "a reply without end": ("import os\nwhile True: os.write(3, b'x' * 60_000)", "output"),
    "memory at once": ("x = bytearray(1 << 36)", "memory"),
    # Touching page after page takes as long as the machine likes: the clock may win.
    "memory bit by bit": ("x = []\nwhile True: x.append(bytearray(1 << 24))", "memory or timeout"),
    "recursion": ("def f(): f()\nf()", "error"),
    "a fork bomb": ("import os\nwhile True: os.fork()", "error"),
    "threads": (
        "import threading, time\nfor _ in range(999): threading.Thread(target=time.sleep, args=(9,)).start()",
        "",
    ),
    "a crash": ("import ctypes; ctypes.string_at(0)", "killed"),
    "abort": ("import os; os.abort()", "killed"),
    "a great number": ("x = 9 ** 9 ** 9", "timeout"),
    "nested lists": ("exec('x = ' + '[' * 500 + ']' * 500)", "error"),
}


@pytest.mark.parametrize("name", list(BOMBS))
def test_every_bomb_is_defused_in_time(runner: Runner, name: str) -> None:
    code, status = BOMBS[name]
    began = time.monotonic()
    execution = runner.run(code)
    assert execution.status != "finished"
    assert not status or execution.status in status.split(" or ")
    assert time.monotonic() - began < 20  # not a matter of speed: far beyond every limit
    assert len(execution.stdout) <= 65_536
    assert runner.check(Job(HONEST, "add", CASES)).passed


def test_a_reply_that_is_too_long_fails(runner: Runner) -> None:
    execution = runner.call("def f(): return 'x' * 1_000_000", "f", [()])
    assert (execution.status, execution.results) == ("output", [])


@pytest.mark.parametrize(
    "leave",
    [
        "open('/tmp/left', 'w').write('x')",
        "import os; os.makedirs('/tmp/a/b/c'); open('/tmp/a/b/c/f', 'w')",
        "import os; os.makedirs('/tmp/a/b'); open('/tmp/a/b/f', 'w'); os.chmod('/tmp/a/b', 0); os.chmod('/tmp/a', 0)",
        "import os; os.mkdir('/tmp/locked', 0)",
        "import os\nfor i in range(500): os.mkdir(f'/tmp/{i}')",
    ],
)
def test_no_run_sees_what_another_left(runner: Runner, leave: str) -> None:
    assert runner.run(leave).status == "finished"
    assert runner.call("import os\ndef f(): return os.listdir('/tmp')", "f", [()]).results == [Value([])]


def test_no_run_changes_the_next(runner: Runner) -> None:
    runner.run("import math, builtins, json\nmath.pi = 3\nbuiltins.len = lambda x: 0\njson.dumps = None")
    code = "import math\ndef f(): return [math.pi > 3.1, len('ab')]"
    assert runner.call(code, "f", [()]).results == [Value([True, 2])]


def test_nothing_is_left_behind(runner: Runner) -> None:
    def children() -> set[str]:
        own = Path(f"/proc/{os.getpid()}/task")
        return {child for task in own.iterdir() for child in (task / "children").read_text().split()}

    before = children()
    other = Runner(workers=2, limits=Limits(wall_seconds=0.3))
    for result in other.check_all([Job("import time\ntime.sleep(9)", "f", CASES)] * 4):
        assert not result.passed
    assert other.check(Job(HONEST, "add", CASES)).passed
    other.close()
    assert children() <= before


def test_errors_are_told_with_their_line(runner: Runner) -> None:
    execution = runner.run("x = 1\ny = x +\n")
    assert execution.error == CandidateError("SyntaxError", "invalid syntax (candidate.py, line 2)", 2)
    execution = runner.run("def f():\n    return {}['a']\n\nf()\n")
    assert execution.error == CandidateError("KeyError", "'a'", 2)
    assert str(execution.error) == "line 2: KeyError: 'a'"


@pytest.mark.parametrize("number", [9, 19])
def test_no_descriptor_signals_the_server(runner: Runner, number: int) -> None:
    """KILL cost a restart and STOP seven seconds."""
    runner.check(Job(HONEST, "add", CASES))
    server = next(iter(runner._all))._process
    code = (
        "import fcntl, os, time\nr, w = os.pipe()\n"
        f"for ask in ((fcntl.F_SETOWN, os.getppid()), (10, {number}), (fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)):\n"
        "    try:\n        fcntl.fcntl(r, *ask)\n    except OSError: pass\n"
        "os.write(w, b'x')\ntime.sleep(0.1)\nprint('here')"
    )
    assert runner.run(code).stdout == "here\n"
    assert next(iter(runner._all))._process is server


def test_a_stalled_server_is_replaced_within_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was given half a second more than the limit, and before that five."""
    limits = Limits(cpu_seconds=1, wall_seconds=1.0)
    with Runner(workers=1, limits=limits) as made:
        assert made.check(Job(HONEST, "add", CASES)).passed
        process = made._all[0]._process
        assert process
        tree = [process.pid]
        for pid in tree:
            for task in Path(f"/proc/{pid}/task").iterdir():
                tree += [int(child) for child in (task / "children").read_text().split()]
        for pid in tree:
            os.kill(pid, signal.SIGSTOP)
        waits: list[float] = []
        select = worker.select.select

        def waiting(*arguments: Any) -> Any:
            waits.append(arguments[3])
            return select(*arguments)

        monkeypatch.setattr(worker.select, "select", waiting)
        execution = made.run("print(1)")
        monkeypatch.undo()
        assert execution.status == "timeout"
        assert waits
        assert max(waits) <= limits.wall_seconds
        assert made._all[0]._process is None
        assert made.check(Job(HONEST, "add", CASES)).passed


@pytest.mark.parametrize("seconds", [0.2, 3.0, 60.0])
def test_the_server_is_given_less_than_the_whole_limit(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Otherwise a run that ends at its limit and a server that stands still would look alike."""
    told: list[float] = []

    def exchange(self: worker.Worker, request: dict[str, Any], deadline: float) -> dict[str, Any]:
        if "limits" in request:
            told.extend((request["limits"]["wall_seconds"], deadline))
        return {"stopped": "", "status": 0, "clean": True}

    monkeypatch.setattr(worker.Worker, "_exchange", exchange)
    made = worker.Worker(None)
    monkeypatch.setattr(made, "_start", lambda: None)
    made.run({"limits": Limits(wall_seconds=seconds).as_dict()})
    assert told[1] == seconds
    assert 0.89 * seconds <= told[0] < seconds
    assert seconds - told[0] <= 0.5


# What the filter refuses says EPERM: a pipe would refuse some of it anyway, with another word.
SIGNALS_OF_DESCRIPTORS = {
    "F_SETOWN": "libc.syscall(72, r, 8, os.getppid())",
    "F_SETSIG": "libc.syscall(72, r, 10, 9)",
    "F_SETOWN_EX": "libc.syscall(72, r, 15, (ctypes.c_int * 2)(1, os.getppid()))",
    "FIOSETOWN": "libc.syscall(16, r, 0x8901, ctypes.byref(ctypes.c_int(os.getppid())))",
    "SIOCSPGRP": "libc.syscall(16, r, 0x8902, ctypes.byref(ctypes.c_int(os.getppid())))",
}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of system calls")
@pytest.mark.parametrize("name", list(SIGNALS_OF_DESCRIPTORS))
def test_the_filter_itself_refuses_to_own_descriptors(runner: Runner, name: str) -> None:
    code = (
        "import ctypes, os\ndef f():\n    libc = ctypes.CDLL(None, use_errno=True)\n    r, w = os.pipe()\n"
        f"    return [{SIGNALS_OF_DESCRIPTORS[name]}, ctypes.get_errno()]"
    )
    assert runner.call(code, "f", [()]).results == [Value([-1, errno.EPERM])]


def test_limits_alone_refuse_processes_and_threads(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The filter refuses them as well; where it has a hole RLIMIT_NPROC must stand."""
    if not runner.protections.active >= {"user"}:
        pytest.skip("the limit does not bind user 0")
    monkeypatch.setattr(filters, "available", lambda: False)
    unfiltered = worker.Worker(runner._wall)
    try:
        for body in (
            "import os\n        if os.fork() == 0: os._exit(0)",
            "import threading\n        threading.Thread(target=print).start()",
        ):
            code = f"def f():\n    try:\n        {body}\n    except (OSError, RuntimeError): return 'held'\n"
            request = {"code": code, "function": "f", "inputs": [[]], "stdin": "", "limits": Limits().as_dict()}
            found = read_execution(unfiltered.run(request), 1)
            assert found.results == [Value("held")], body
    finally:
        unfiltered.close()
