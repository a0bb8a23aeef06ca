"""A node that fails: a proxy in front of the local chain that answers chosen calls with errors."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import requests

# What to answer instead: None passes the call on; (error, forwarded) answers the error, having passed it on or not;
# an int answers that HTTP status.
Fault = Callable[[str, int], "tuple[dict[str, Any], bool] | int | None"]


class FaultyNode:
    """Passes JSON-RPC on to ``url``; ``fault(method, count)`` decides which call (its how many-th) fails, and how."""

    def __init__(self, url: str, fault: Fault) -> None:
        self.calls: dict[str, int] = {}
        node = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                question = json.loads(body)
                method = question["method"]
                count = node.calls[method] = node.calls.get(method, 0) + 1
                decided = fault(method, count)
                status, answer = 200, {"jsonrpc": "2.0", "id": question["id"]}
                if decided is None:
                    answer = requests.post(
                        url, data=body, headers={"content-type": "application/json"}, timeout=30
                    ).json()
                elif isinstance(decided, int):
                    status = decided
                else:
                    error, forwarded = decided
                    if forwarded:
                        requests.post(url, data=body, headers={"content-type": "application/json"}, timeout=30)
                    answer["error"] = error
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
