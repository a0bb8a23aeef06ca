"""How a language server and an editor talk: JSON-RPC 2.0 behind a Content-Length header (LSP 3.17, base protocol)."""

from __future__ import annotations

import json
import threading
from typing import Any, BinaryIO

PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS, INTERNAL_ERROR = -32700, -32600, -32601, -32602, -32603
NOT_INITIALIZED, CANCELLED, MODIFIED, REQUEST_FAILED = -32002, -32800, -32801, -32803
_MOST = 256 << 20  # bytes; a longer message is a broken header


class RpcError(Exception):
    """A request that can't be answered: what goes back to the client."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Wire:
    """Reads messages from one stream and writes them to another; many threads may write."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source = source
        self._sink = sink
        self._lock = threading.Lock()

    def read(self) -> dict[str, Any] | None:
        """Return the next message; None at the end of the stream.

        Raises:
            RpcError: what came is not a JSON object; the message after it can be read.
            EOFError: the header has no usable length, so that nothing after it can be read.
        """
        length = self._header()
        if length is None:
            return None
        body = self._source.read(length)
        if len(body) < length:
            return None
        try:
            message = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise RpcError(PARSE_ERROR, f"no JSON: {error}") from None
        if not isinstance(message, dict):
            raise RpcError(INVALID_REQUEST, "not one JSON object")
        return message

    def _header(self) -> int | None:
        length = None
        while line := self._source.readline(1 << 16):
            if not line.strip():
                if length is None:
                    continue
                return length
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length":
                digits = value.strip()
                if not digits.isdigit() or int(digits) > _MOST:
                    raise EOFError("the header's Content-Length is not a sensible number")
                length = int(digits)
        return None

    def send(self, message: dict[str, Any]) -> None:
        """Write one message; a client that is gone is not an error."""
        # A lone surrogate in an editor's text is escaped, so that the bytes are UTF-8 whatever it holds.
        body = json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":")).encode()
        with self._lock:
            try:
                self._sink.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
                self._sink.flush()
            except (OSError, ValueError):
                return

    def notify(self, method: str, params: Any) -> None:
        """Send a notification."""
        self.send({"method": method, "params": params})
