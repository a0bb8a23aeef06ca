"""What runs inside the sandbox: a server that forks one child for every run. Standard library only.

It starts under the sandbox's walls, loads common modules once, then answers requests on stdin and stdout, frames of
4 bytes length and JSON. A child sets its limits, loads its seccomp filter, computes, writes one reply and exits; the
server never believes it: it only carries bytes, counts them and kills.
"""

from __future__ import annotations

import atexit
import base64
import builtins
import contextlib
import ctypes
import gc
import io
import json
import linecache
import os
import resource
import select
import shutil
import signal
import struct
import sys
import time
import traceback
import types
from collections.abc import Callable
from typing import Any, BinaryIO

FILE_NAME = "candidate.py"
SCRATCH_VARIABLE = "GATLLM_SCRATCH"
_PRELOAD = (
    "abc array bisect collections contextlib copy dataclasses datetime decimal enum fractions functools heapq "
    "itertools math operator random re statistics string textwrap types typing"
)
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_FILTER = 2


def read_frame(stream: BinaryIO) -> Any:
    """Return the next frame, None at the end of the stream."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    (length,) = struct.unpack(">I", head)
    return json.loads(stream.read(length))


def write_frame(stream: BinaryIO, value: Any) -> None:
    """Write one frame."""
    body = json.dumps(value, separators=(",", ":")).encode()
    stream.write(struct.pack(">I", len(body)) + body)
    stream.flush()


def encode(value: Any) -> Any:
    """Return a plain value as JSON values that keep its types.

    A value of a subclass (Counter, namedtuple, …) goes as the built-in it is based on, by that one's own methods:
    what a candidate overrides never reaches the parent.

    Raises:
        TypeError: it is, or holds, something that is not a built-in value.
    """
    kind = type(value)
    if value is None or kind in (bool, str):
        return value
    if kind is list:
        return [encode(item) for item in value]
    if kind is int and -(2**53) < value < 2**53:
        return value
    if kind in _TAGGED:
        return {kind.__name__: _TAGGED[kind](value)}
    for base, plain in _PLAIN.items():
        if base in kind.__mro__:
            return encode(plain(value))
    raise TypeError(f"{kind.__name__} is not a plain value")


_TAGGED: dict[type, Callable[[Any], Any]] = {
    int: hex,
    float: float.hex,
    bytes: bytes.hex,
    complex: lambda value: [value.real.hex(), value.imag.hex()],
    tuple: lambda value: [encode(item) for item in value],
    dict: lambda value: [[encode(key), encode(item)] for key, item in value.items()],
    set: lambda value: sorted(map(encode, value), key=json.dumps),
    frozenset: lambda value: sorted(map(encode, value), key=json.dumps),
}


_ALL = slice(None)
_PLAIN: dict[type, Callable[[Any], Any]] = {
    dict: dict.copy,
    list: list.copy,
    tuple: lambda value: tuple.__getitem__(value, _ALL),
    str: lambda value: str.__getitem__(value, _ALL),
    bytes: lambda value: bytes.__getitem__(value, _ALL),
    int: int.__pos__,
    float: float.__pos__,
    complex: complex.__pos__,
    set: lambda value: set.union(set(), value),
    frozenset: lambda value: frozenset.union(frozenset(), value),
}


def decode(value: Any) -> Any:
    """Return what `encode` was given.

    Raises:
        ValueError: it was not made by `encode`.
    """
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError("not an encoded value")
    ((kind, inner),) = value.items()
    return _decode_tagged(kind, inner)


def _decode_tagged(kind: str, inner: Any) -> Any:
    try:
        if kind == "int":
            return int(inner, 16)
        if kind == "float":
            return float.fromhex(inner)
        if kind == "bytes":
            return bytes.fromhex(inner)
        if kind == "complex":
            return complex(float.fromhex(inner[0]), float.fromhex(inner[1]))
        if kind == "dict":
            return {decode(key): decode(item) for key, item in inner}
        if kind in ("tuple", "set", "frozenset"):
            return {"tuple": tuple, "set": set, "frozenset": frozenset}[kind](decode(item) for item in inner)
    except (TypeError, IndexError, OverflowError) as error:
        raise ValueError(f"not an encoded {kind}: {error}") from None
    raise ValueError(f"unknown kind {kind!r}")


class _Filter:
    """A seccomp program ready to be loaded: no memory is taken after the fork."""

    def __init__(self, program: bytes) -> None:
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.buffer = ctypes.create_string_buffer(program, len(program))

        class Program(ctypes.Structure):
            _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

        self.program = Program(len(program) // 8, ctypes.addressof(self.buffer))
        self.loaded = bool(program)

    def prepare(self) -> None:
        """Give up gaining privileges, which loading a filter takes, and die with the parent."""
        self.libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        self.libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    def load(self) -> None:
        if self.loaded and self.libc.prctl(_PR_SET_SECCOMP, _SECCOMP_FILTER, ctypes.byref(self.program), 0, 0):
            raise OSError(ctypes.get_errno(), "the seccomp filter was refused")


def _limit(limits: dict[str, Any]) -> None:
    megabyte = 1 << 20
    for kind, value in (
        (resource.RLIMIT_AS, limits["memory_mb"] * megabyte),
        (resource.RLIMIT_FSIZE, limits["file_mb"] * megabyte),
        (resource.RLIMIT_NOFILE, 32),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(kind, (value, value))
    seconds = limits["cpu_seconds"]
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))


def _describe(error: BaseException) -> dict[str, Any]:
    line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == FILE_NAME]
    if line is None and frames:
        line = frames[-1].lineno
    try:
        message = str(error)
    except BaseException:
        message = ""
    return {"type": type(error).__name__, "message": message[:2000], "line": line}


def _compute(request: dict[str, Any]) -> dict[str, Any]:
    """Run the candidate and return its reply. Everything from here on is the candidate's word."""
    code, function = request["code"], request["function"]
    # A module of its own under its own name: what looks classes up by module and name (pickle, typing) finds them.
    module = types.ModuleType("candidate" if function else "__main__")
    sys.modules[module.__name__] = module
    namespace = module.__dict__
    namespace["__builtins__"] = builtins
    # The parent decides what counts; here every end of the candidate, SystemExit included, is only an answer.
    try:
        linecache.cache[FILE_NAME] = (len(code), None, code.splitlines(keepends=True), FILE_NAME)
        exec(compile(code, FILE_NAME, "exec"), namespace)  # noqa: S102  # this is what the sandbox is for
        if function is None:
            return {"finished": True}
        chosen = namespace[function]
    except BaseException as error:
        return {"error": _describe(error)}
    values: list[Any] = []
    for arguments in request["inputs"]:
        try:
            values.append({"value": encode(chosen(*decode(arguments)))})
        except BaseException as error:
            values.append({"error": _describe(error)})
    return {"values": values}


def _child(request: dict[str, Any], seccomp: _Filter, ends: dict[str, int], scratch: str) -> None:
    for name, descriptor in (("stdin", 0), ("stdout", 1), ("stderr", 2), ("reply", 3)):
        os.dup2(ends[name], descriptor)
    os.closerange(4, 4096)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8", errors="replace")
    os.chdir(scratch)
    _limit(request["limits"])
    seccomp.load()
    reply = _compute(request)
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()  # the child ends by os._exit, which runs none of them
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()
    body = memoryview(json.dumps(reply, separators=(",", ":")).encode())
    while body:
        body = body[os.write(3, body) :]


def _carry(pid: int, pipes: dict[int, str], request: dict[str, Any]) -> dict[str, Any]:
    """Read what the child writes until it ends, or kill it when it writes too much or takes too long."""
    limits = request["limits"]
    caps = {"stdout": limits["output_bytes"], "stderr": limits["output_bytes"], "reply": limits["reply_bytes"]}
    got = {name: bytearray() for name in caps}
    began = time.monotonic()
    deadline = began + limits["wall_seconds"]
    ended = os.pidfd_open(pid)
    poll = select.poll()
    for descriptor in (*pipes, ended):
        poll.register(descriptor, select.POLLIN)
    stopped = ""
    waiting = {*pipes, ended}
    while waiting and not stopped:
        left = deadline - time.monotonic()
        if left <= 0:
            stopped = "timeout"
        for descriptor, _ in poll.poll(max(0.0, left) * 1000):
            data = b"" if descriptor == ended else os.read(descriptor, 65536)
            if not data:
                poll.unregister(descriptor)
                waiting.remove(descriptor)
                continue
            name = pipes[descriptor]
            got[name] += data[: caps[name] + 1 - len(got[name])]
            if len(got[name]) > caps[name]:
                stopped = "output" if name != "reply" else "long reply"
    os.close(ended)
    if stopped:
        os.kill(pid, signal.SIGKILL)  # it can't have made other processes
    _, status = os.waitpid(pid, 0)
    return {
        "stopped": stopped,
        "status": os.waitstatus_to_exitcode(status),
        "seconds": time.monotonic() - began,
        **{name: base64.b64encode(data[: caps[name]]).decode() for name, data in got.items()},
    }


def _wipe(scratch: str) -> bool:
    """Empty the scratch folder; False when something resists."""
    try:
        for entry in os.scandir(scratch):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, onerror=_force)
            else:
                os.unlink(entry.path)  # noqa: PTH108
        return not os.listdir(scratch)  # noqa: PTH208
    except OSError:
        return False


def _force(function: Any, path: str, _: Any) -> None:
    os.chmod(os.path.dirname(path), 0o700)  # noqa: PTH101, PTH120
    os.chmod(path, 0o700)  # noqa: PTH101
    if function in (os.scandir, os.open, os.lstat):
        shutil.rmtree(path)
    else:
        function(path)


def _one(request: dict[str, Any], seccomp: _Filter, scratch: str) -> dict[str, Any]:
    ends: dict[str, int] = {"stdin": os.memfd_create("stdin")}
    os.write(ends["stdin"], base64.b64decode(request["stdin"]))
    os.lseek(ends["stdin"], 0, os.SEEK_SET)
    pipes: dict[int, str] = {}
    for name in ("stdout", "stderr", "reply"):
        reader, writer = os.pipe()
        pipes[reader] = name
        ends[name] = writer
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            _child(request, seccomp, ends, scratch)
            code = 0
        finally:
            os._exit(code)
    for end in ends.values():
        os.close(end)
    answer = _carry(pid, pipes, request)
    for reader in pipes:
        os.close(reader)
    answer["clean"] = _wipe(scratch)
    return answer


def main() -> None:
    """Serve until the parent goes away."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    quiet = os.open(os.devnull, os.O_RDWR)
    # 0 to 3 stay taken, so that what a child's own 0 to 3 are made from never lies there.
    for descriptor in (0, 1, 2):
        os.dup2(quiet, descriptor)
    setup = read_frame(requests)
    seccomp = _Filter(base64.b64decode(setup["filter"]))
    seccomp.prepare()
    if setup["drop_to"] is not None:
        os.setgroups([])
        os.setresgid(setup["drop_to"], setup["drop_to"], setup["drop_to"])
        os.setresuid(setup["drop_to"], setup["drop_to"], setup["drop_to"])
        seccomp.prepare()  # the death signal is reset by a change of user
    scratch = os.environ[SCRATCH_VARIABLE]
    for name in _PRELOAD.split():
        __import__(name)
    gc.collect()
    gc.freeze()
    write_frame(replies, {"ready": True, "uid": os.getuid()})
    while (request := read_frame(requests)) is not None:
        write_frame(replies, _one(request, seccomp, scratch))


if __name__ == "__main__":
    main()
