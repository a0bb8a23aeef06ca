"""HTTP from the wire, with an end to every wait: for the head of a request, for its body, for a reader that reads."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import h11
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from gatllm.service.errors import body

HEAD_SECONDS = 10.0  # from the first byte of a connection or request to the end of its head
BODY_SECONDS = 15.0  # between two pieces of a body
SLOWEST = 20_000  # bytes a second: a body that comes more slowly than this, after `BODY_SECONDS`, is given up
READER_SECONDS = 30.0  # for which a client may leave what was sent unread


class TimedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, which has no time-out before a request is complete: a half-sent head would stay for ever."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._begin()

    def data_received(self, data: bytes) -> None:
        """Take bytes; until they are a whole head the clock runs."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._end()
        elif self._deadline is None:
            self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._end()
        super().connection_lost(exc)

    def _begin(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _end(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.close()


class _StalledError(Exception):
    """The client does not read."""


class Patience:
    """ASGI middleware: gives up a body that does not come and a client that does not read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, with time-outs."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        received, complete, late, started = 0, False, False, False

        async def timed_receive() -> Message:
            nonlocal received, complete, late
            if complete:  # what is waited for now is that the client leaves
                return await receive()
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    message = await receive()
            except TimeoutError:
                late = True
                return {"type": "http.disconnect"}
            received += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if not complete and received < (time.monotonic() - began - BODY_SECONDS) * SLOWEST:
                late = True
                return {"type": "http.disconnect"}
            return message

        async def timed_send(message: Message) -> None:
            nonlocal started
            if late and not started:
                return  # whatever the application says of the body that it did not get
            started = True
            try:
                async with asyncio.timeout(READER_SECONDS):
                    await send(message)
            except TimeoutError:
                raise _StalledError from None

        try:
            await self._app(scope, timed_receive, timed_send)
        except Exception as error:
            # A client that does not read: the server closes the connection, because the response is not complete.
            if not late and not _is_stalled(error):
                raise
        if late and not started:
            await _refuse_late(send)


def _is_stalled(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):  # a streaming response raises from a group of tasks
        return all(_is_stalled(one) for one in error.exceptions)
    return isinstance(error, _StalledError)


async def _refuse_late(send: Send) -> None:
    content = json.dumps(body(408, "the body of the request did not come in time", code="request_timeout")).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close"),
               (b"content-length", str(len(content)).encode())]  # fmt: skip
    await send({"type": "http.response.start", "status": 408, "headers": headers})
    await send({"type": "http.response.body", "body": content})
