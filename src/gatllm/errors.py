"""The errors that a user can cause: one line that names the cause and the cure."""

from __future__ import annotations


class GatllmError(Exception):
    """Something a user can put right.

    The command line prints ``cause`` and ``cure`` on one line and exits with ``exit_code``;
    it never shows a traceback for one of these.
    """

    exit_code = 1

    def __init__(self, cause: str, cure: str = "") -> None:
        super().__init__(f"{cause}; {cure}" if cure else cause)
        self.cause = cause
        self.cure = cure


class UsageError(GatllmError):
    """The command or recipe itself is wrong: nothing was started."""

    exit_code = 2


class VerificationError(GatllmError):
    """Something was checked and does not hold: a hash, a signature, a proof."""

    exit_code = 3


class InconclusiveError(GatllmError):
    """Nothing that was checked fails, but what was asked for is not shown either: no pass, and no accusation."""

    exit_code = 4
