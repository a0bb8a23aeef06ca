"""Runs the service: one clear line when the port is taken, and an orderly end."""

from __future__ import annotations

import errno
import gc
import socket
import sys
from types import FrameType

import uvicorn
from fastapi import FastAPI

from gatllm.errors import GatllmError
from gatllm.service.logs import log_to
from gatllm.service.protocol import TimedProtocol
from gatllm.service.slots import Slots

GRACE = 10.0  # seconds that open answers get when the service is told to stop


class _Server(uvicorn.Server):
    """Tells the slots about the end before it waits for the connections."""

    def __init__(self, config: uvicorn.Config, slots: Slots, grace: float) -> None:
        super().__init__(config)
        self._slots = slots
        self._grace = grace

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop admitting; what is running gets its time."""
        if self._slots.stop_at is None:
            self._slots.begin_stop(self._grace)
        super().handle_exit(sig, frame)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        GatllmError: the port is taken or may not be used, or there is no such address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, port))
        taken.listen(128)
    except (OSError, UnicodeError) as error:
        taken.close()
        reason = (getattr(error, "strerror", None) or "no such name").lower()
        elsewhere = isinstance(error, socket.gaierror | UnicodeError) or error.errno == errno.EADDRNOTAVAIL
        cure = "name an address of this machine with --host" if elsewhere else "choose another port with --port"
        raise GatllmError(f"can't listen on {host} port {port}: {reason}", cure) from None
    return taken


def serve(app: FastAPI, listener: socket.socket, *, grace: float = GRACE) -> None:
    """Serve until SIGINT or SIGTERM; then end open answers within ``grace`` seconds and return."""
    if not sys.stderr.isatty():  # a person at a terminal reads the notes, a service manager the log
        log_to(sys.stderr)
    config = uvicorn.Config(
        app,
        http=TimedProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(grace) + 3,
        timeout_keep_alive=5,
    )
    # What was loaded so far (modules, a model) stays for ever: looking through it for garbage would hold up every
    # stream for a fifth of a second, again and again.
    gc.collect()
    gc.freeze()
    try:
        _Server(config, app.state.slots, grace).run(sockets=[listener])
    finally:
        listener.close()
        sys.stderr.flush()
