"""Which system calls the sandbox refuses, as seccomp programs.

Two lists: one for everything inside, one more for the child that runs the candidate. Refused calls fail with EPERM,
so that an honest program which tries one gets an error it can handle.
"""

from __future__ import annotations

import errno
import os
import tempfile

_EVERYWHERE = """
    socket connect bind listen accept accept4 ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp bpf
    perf_event_open userfaultfd fanotify_init keyctl add_key request_key io_uring_setup io_uring_enter
    io_uring_register kexec_load kexec_file_load init_module finit_module delete_module create_module reboot swapon
    swapoff acct quotactl setns chroot open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr
    open_by_handle_at name_to_handle_at personality clock_settime clock_adjtime settimeofday adjtimex memfd_secret
    lookup_dcookie syslog iopl ioperm sethostname setdomainname nfsservctl vhangup shmget shmat shmctl semget semop
    semctl msgget msgsnd msgrcv msgctl mq_open mq_unlink
"""
_CHILD = """
    execve execveat fork vfork kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open pidfd_send_signal
    setrlimit prlimit64 mount umount2 pivot_root unshare setuid setgid setreuid setregid setresuid setresgid
    setgroups setfsuid setfsgid capset link linkat symlink symlinkat mknod mknodat sched_setaffinity setpriority
    ioprio_set
"""
_CLONE_THREAD = 0x00010000
# The kernel signals whoever owns a descriptor: a candidate must not name its server there. Only the lower half of the
# argument counts in the kernel, so only that is compared.
_FCNTL = {"F_SETOWN": 8, "F_SETSIG": 10, "F_SETOWN_EX": 15}
_IOCTL = {"FIOSETOWN": 0x8901, "SIOCSPGRP": 0x8902}
_LOWER_HALF = 0xFFFFFFFF


def available() -> bool:
    """Tell whether seccomp programs can be built here."""
    try:
        import pyseccomp  # noqa: F401
    except (ImportError, OSError, RuntimeError):  # libseccomp itself may be missing
        return False
    return True


def outer_program() -> bytes:
    """Return the program for everything inside the sandbox."""
    return _program(_EVERYWHERE, threads_only=False)


def child_program() -> bytes:
    """Return the program for the candidate: no new programs, no processes, no signals to others."""
    return _program(_EVERYWHERE + _CHILD, threads_only=True)


def _program(names: str, *, threads_only: bool) -> bytes:
    import pyseccomp

    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in names.split():
        try:
            rules.add_rule(pyseccomp.ERRNO(errno.EPERM), name)
        except (OSError, ValueError, RuntimeError):  # this architecture or library has no such call
            continue
    if threads_only:
        no_thread = pyseccomp.Arg(0, pyseccomp.MASKED_EQ, _CLONE_THREAD, 0)
        rules.add_rule(pyseccomp.ERRNO(errno.EPERM), "clone", no_thread)
        rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")  # its flags lie in memory; libc then takes clone
        for call, commands in (("fcntl", _FCNTL), ("ioctl", _IOCTL)):
            for command in commands.values():
                asked = pyseccomp.Arg(1, pyseccomp.MASKED_EQ, _LOWER_HALF, command)
                rules.add_rule(pyseccomp.ERRNO(errno.EPERM), call, asked)
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        return os.pread(file.fileno(), 1 << 20, 0)
