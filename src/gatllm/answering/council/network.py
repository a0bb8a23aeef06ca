"""Members over HTTP: a node that answers, and the council's side of the line. Neither believes the other.

The server is the standard library's: five paths, JSON, bounded size and time; on loopback unless told otherwise, and
then only for those who know the password.
"""

from __future__ import annotations

import hmac
import json
import os
import re
import threading
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from gatllm.answering.council.council import Member, Step, take_step
from gatllm.answering.council.node import Node
from gatllm.errors import GatllmError, UsageError

MOST_BYTES = 4 << 20  # of a request or an answer: a hundred long proposals
_READING = 10.0  # seconds that a request may take to arrive
PASSWORD_VARIABLE = "GATLLM_COUNCIL_PASSWORD"  # noqa: S105  # the name of a variable, not a password
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_STEPS = ("propose", "reveal", "review", "vote", "count")
_ADDRESS = re.compile(r"(?:(?P<key>[0-9a-f]{64})@)?(?P<url>https?://[^=@]+?)/?(?:=(?P<stake>[0-9.]+))?")


class NodeServer:
    """Serves one node. ``port`` 0 takes a free one; `address` tells which.

    Where `PASSWORD_VARIABLE` is set, only those who send its value are answered.

    Raises:
        GatllmError: the port is taken.
        UsageError: others than this machine could reach it, and no password is set.
    """

    def __init__(self, node: Node, host: str = "127.0.0.1", port: int = 0) -> None:
        password = os.environ.get(PASSWORD_VARIABLE, "")
        if host not in _LOOPBACK and not password:
            raise UsageError(
                f"whoever reaches {host} could let this node work", f"set {PASSWORD_VARIABLE} on both sides"
            )
        handler = type("Handler", (_Handler,), {"node": node, "working": threading.Lock(), "password": password})
        try:
            self._server = ThreadingHTTPServer((host, port), handler)
        except OSError as error:
            raise GatllmError(f"can't listen on {host}:{port}: {error.strerror}", "name another --port") from None
        self._server.daemon_threads = True
        self.address = f"http://{host}:{self._server.server_port}"

    def run(self) -> None:
        """Answer until `stop`, or an interrupt."""
        try:
            self._server.serve_forever(poll_interval=0.1)
        finally:
            self._server.server_close()

    def stop(self) -> None:
        """End `run`."""
        self._server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    node: Node
    working: threading.Lock  # a generator works for one question at a time
    password: str
    timeout = _READING
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if not self._is_known():
            self._send(401, {"error": f"the council's password is missing or wrong ({PASSWORD_VARIABLE})"})
        elif self.path == "/council":
            self._send(200, self.node.describe())
        else:
            self._send(404, {"error": "there is /council"})

    def do_POST(self) -> None:
        if not self._is_known():
            self.close_connection = True  # what it sends is not read
            return self._send(401, {"error": f"the council's password is missing or wrong ({PASSWORD_VARIABLE})"})
        step = self.path.rpartition("/")[2]
        length = self.headers.get("Content-Length", "")
        if not self.path.startswith("/council/") or step not in _STEPS:
            return self._send(404, {"error": f"there is /council/ with {', '.join(_STEPS)}"})
        if not length.isdecimal() or int(length) > MOST_BYTES:
            self.close_connection = True
            return self._send(413, {"error": f"a request has at most {MOST_BYTES} bytes, and says how many"})
        try:
            request = json.loads(self.rfile.read(int(length)))
            with self.working:
                found = [message.model_dump() for message in take_step(self.node, step, request)]
        except GatllmError as error:
            return self._send(400, {"error": str(error)})
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return self._send(400, {"error": "this is not a request of a council"})
        return self._send(200, {"messages": found})

    def _is_known(self) -> bool:
        said = self.headers.get("Authorization", "")
        return not self.password or hmac.compare_digest(said.encode(), f"Bearer {self.password}".encode())

    def _send(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  # the base class names it so
        pass


class HttpPeer:
    """A member at an address. ``key`` pins its public key; without one, the key it names at first counts."""

    def __init__(self, url: str, key: str | None = None) -> None:
        self.url, self.key = url, key

    def describe(self) -> dict[str, Any]:
        """Ask who the member is.

        Raises:
            GatllmError: it does not answer, or has another key than it should.
        """
        about = self._ask("GET", "/council", None, 10.0)
        roles = about.get("roles")
        context = about.get("context")
        good = (
            isinstance(about.get("name"), str)
            and re.fullmatch("[0-9a-f]{64}", str(about.get("key")))
            and isinstance(roles, list)
            and (context is None or (isinstance(context, int) and context > 0))
        )
        if not good:
            raise GatllmError(f"{self.url} is not a node of a council", "start one: gatllm node")
        if self.key is not None and about["key"] != self.key:
            raise GatllmError(f"{self.url} has another key than {self.key[:16]}…", "see who answers there")
        name = f"{str(about['name'])[:60]} at {self.url}"
        return {"name": name, "key": about["key"], "roles": [str(role) for role in roles or ()], "context": context}

    def call(self, step: Step, request: dict[str, Any], timeout: float) -> list[Any]:
        """Let the member take a step.

        Raises:
            GatllmError: it does not answer in time, or with what is not an answer.
        """
        found = self._ask("POST", f"/council/{step}", request, timeout).get("messages")
        if not isinstance(found, list):
            raise GatllmError(f"{self.url} answered with no messages")
        return found

    def _ask(self, method: str, path: str, value: Any, timeout: float) -> dict[str, Any]:
        end = time.monotonic() + timeout
        parts = urlsplit(self.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=timeout)
        try:
            body = None if value is None else json.dumps(value).encode()
            connection.request(method, parts.path + path, body, _headers())
            with connection.getresponse() as response:
                data = bytearray()
                # Piece by piece: neither an endless answer nor one that drips may hold the council up.
                while piece := response.read1(1 << 16):
                    data += piece
                    if len(data) > MOST_BYTES:
                        raise GatllmError(f"{self.url} answered with more than {MOST_BYTES} bytes")
                    if time.monotonic() > end:
                        raise GatllmError(f"{self.url} did not answer in time")
                found = json.loads(data)
        except (OSError, HTTPException, ValueError, RecursionError) as error:
            reason = "in time" if isinstance(error, TimeoutError) else f"as a node does ({type(error).__name__})"
            raise GatllmError(f"{self.url} did not answer {reason}", "start it: gatllm node") from None
        finally:
            connection.close()
        if response.status != 200 or not isinstance(found, dict):
            said = found.get("error") if isinstance(found, dict) else None
            raise GatllmError(f"{self.url} refused: {str(said or response.status)[:200]}")
        return found


def _headers() -> dict[str, str]:
    password = os.environ.get(PASSWORD_VARIABLE)
    return {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {password}"} if password else {})


def read_address(text: str) -> Member:
    """Return the member that ``[KEY@]http://HOST:PORT[=STAKE]`` names.

    Raises:
        UsageError: it is no such address.
    """
    found = _ADDRESS.fullmatch(text.strip())
    try:
        stake = float(found["stake"] or 1) if found else 0.0
        port_is_right = bool(found) and urlsplit(found["url"] if found else "").port is not False
    except ValueError:
        found, port_is_right, stake = None, False, 0.0
    if found is None or not port_is_right or stake <= 0:
        raise UsageError(f"{text!r} is not a member of a council", "write [KEY@]http://HOST:PORT[=STAKE]")
    return Member(HttpPeer(found["url"], found["key"]), stake)
