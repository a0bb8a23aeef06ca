"""The seccomp programs, decided call by call: each is executed here as the kernel does it, no sandbox around."""

from __future__ import annotations

import errno
import struct
import sys
from collections.abc import Sequence

import pytest

if sys.platform != "linux":
    pytest.skip("seccomp is Linux", allow_module_level=True)
pyseccomp = pytest.importorskip("pyseccomp")

from gatllm.sandbox import filters  # noqa: E402

ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x00000000
CLONE_VM, CLONE_THREAD, SIGCHLD = 0x100, 0x10000, 17

# What nobody inside may do, by what it would be used for.
NOWHERE = {
    "network": "socket connect bind listen accept accept4",
    "other processes": "ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp",
    "the kernel's own programs": "bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register",
    "files past the walls": "fanotify_init setns chroot open_tree move_mount fsopen fsconfig fsmount fspick"
    " mount_setattr open_by_handle_at name_to_handle_at lookup_dcookie nfsservctl quotactl acct swapon swapoff",
    "keys and secrets": "keyctl add_key request_key memfd_secret syslog",
    "the machine": "kexec_load kexec_file_load init_module finit_module delete_module create_module reboot personality"
    " clock_settime clock_adjtime settimeofday adjtimex iopl ioperm sethostname setdomainname vhangup",
    "memory and queues that outlive it": "shmget shmat shmctl semget semop semctl msgget msgsnd msgrcv msgctl mq_open"
    " mq_unlink",
}
# What the candidate itself may not do besides.
NOT_THE_CANDIDATE = {
    "new programs and processes": "execve execveat fork vfork unshare",
    "signals to others": "kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open pidfd_send_signal",
    "its own limits": "setrlimit prlimit64 sched_setaffinity setpriority ioprio_set",
    "its own rights": "setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capset",
    "files past the walls": "mount umount2 pivot_root link linkat symlink symlinkat mknod mknodat",
}
HONEST = "read write openat close mmap munmap brk futex exit exit_group getpid wait4 nanosleep clock_gettime getrandom"
SETOWN = [("fcntl", 8), ("fcntl", 10), ("fcntl", 15), ("ioctl", 0x8901), ("ioctl", 0x8902)]


def number(name: str) -> int:
    return int(pyseccomp.resolve_syscall(pyseccomp.Arch.X86_64, name))


def decide(program: bytes, call: str | int, arguments: Sequence[int] = (), arch: int = 0xC000003E) -> int:
    """Execute a classic BPF program on one system call, as `seccomp(2)` says it is done."""
    data = struct.pack("<iIQ6Q", call if isinstance(call, int) else number(call), arch, 0, *[*arguments, *[0] * 6][:6])
    a, at, code = 0, 0, list(struct.iter_unpack("<HBBI", program))
    while True:
        operation, yes, no, k = code[at]
        at += 1
        match operation:
            case 0x20:
                (a,) = struct.unpack_from("<I", data, k)
            case 0x54:
                a &= k
            case 0x05:
                at += k
            case 0x15:
                at += yes if a == k else no
            case 0x25:
                at += yes if a > k else no
            case 0x35:
                at += yes if a >= k else no
            case 0x45:
                at += yes if a & k else no
            case 0x06:
                return k
            case _:
                raise AssertionError(f"an instruction that these programs have no need of: {operation:#x}")


def exists(name: str) -> bool:
    return number(name) >= 0


def cases(table: dict[str, str]) -> list[str]:
    return [name for names in table.values() for name in names.split() if exists(name)]


@pytest.fixture(scope="module")
def outer() -> bytes:
    return filters.outer_program()


@pytest.fixture(scope="module")
def child() -> bytes:
    return filters.child_program()


@pytest.fixture(autouse=True)
def on_this_architecture() -> None:
    if pyseccomp.system_arch() != pyseccomp.Arch.X86_64:
        pytest.skip("the interpreter here names the architecture as x86-64 does")


@pytest.mark.parametrize("name", cases(NOWHERE))
def test_nobody_inside_may(name: str, outer: bytes, child: bytes) -> None:
    assert decide(outer, name) == decide(child, name) == ERRNO | errno.EPERM


@pytest.mark.parametrize("name", cases(NOT_THE_CANDIDATE))
def test_the_candidate_may_not(name: str, outer: bytes, child: bytes) -> None:
    assert decide(outer, name) == ALLOW
    assert decide(child, name) == ERRNO | errno.EPERM


@pytest.mark.parametrize("name", HONEST.split())
def test_an_honest_program_may(name: str, outer: bytes, child: bytes) -> None:
    assert decide(outer, name) == decide(child, name) == ALLOW


def test_the_candidate_has_threads_and_no_processes(outer: bytes, child: bytes) -> None:
    thread, process = CLONE_VM | CLONE_THREAD, SIGCHLD
    assert decide(child, "clone", [thread]) == ALLOW
    assert decide(child, "clone", [process]) == decide(child, "clone", [CLONE_VM]) == ERRNO | errno.EPERM
    # Of what lies in memory a filter sees nothing: libc is told that the call does not exist, and takes the other.
    assert decide(child, "clone3") == ERRNO | errno.ENOSYS
    assert decide(outer, "clone", [process]) == decide(outer, "clone3") == ALLOW


@pytest.mark.parametrize(("call", "command"), SETOWN)
def test_nobody_else_is_made_the_receiver_of_signals(call: str, command: int, outer: bytes, child: bytes) -> None:
    refused = ERRNO | errno.EPERM
    assert decide(child, call, [3, command]) == refused
    assert decide(child, call, [3, command | 0xABCD << 32]) == refused  # the kernel looks at the lower half only
    assert decide(child, call, [3, command + 1 if command + 1 not in dict(SETOWN).values() else 1]) == ALLOW
    assert decide(child, call, [command, 0]) == ALLOW
    assert decide(outer, call, [3, command]) == ALLOW


def test_calls_of_another_architecture_end_the_program(outer: bytes, child: bytes) -> None:
    i386 = 0x40000003
    assert decide(outer, "read", arch=i386) == decide(child, "read", arch=i386) == KILL


def test_every_call_is_decided(outer: bytes, child: bytes) -> None:
    """Whatever is not named is allowed, whatever its arguments: nothing falls out of the program's end."""
    named = {number(name) for name in (*cases(NOWHERE), *cases(NOT_THE_CANDIDATE), "clone", "clone3", "fcntl", "ioctl")}
    refused = [call for call in range(480) if call not in named and decide(child, call) != ALLOW]
    assert refused == []
    assert [call for call in range(480) if call not in named and decide(outer, call) != ALLOW] == []


def test_without_the_library_there_is_no_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    assert filters.available()
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    assert not filters.available()


def test_a_call_that_this_machine_does_not_have_leaves_the_others_refused() -> None:
    program = filters._program("no_such_call socket", threads_only=False)
    assert decide(program, "socket") & 0xFFFF0000 == ERRNO
    assert decide(program, "read") == ALLOW
