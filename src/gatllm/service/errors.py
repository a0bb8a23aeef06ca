"""Every failure in the shape that OpenAI's clients understand: ``{"error": {message, type, param, code}}``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gatllm.errors import GatllmError, UsageError
from gatllm.models import ContextOverflowError
from gatllm.service.database import DatabaseError
from gatllm.service.slots import BusyError, StoppingError, TooLongError
from gatllm.service.wording import in_words

_TYPES = {
    401: "authentication_error", 402: "payment_required", 403: "permission_error", 404: "not_found_error",
    429: "rate_limit_error",
}  # fmt: skip
# What passes, and when to come back. Only the time-out must not be tried again: it would take as long.
_PASSING: dict[type[Exception], tuple[int, str, dict[str, str]]] = {
    BusyError: (429, "queue_full", {"retry-after": "5"}),
    StoppingError: (503, "shutting_down", {"retry-after": "10"}),
    TooLongError: (504, "timeout", {"x-should-retry": "false"}),
    DatabaseError: (503, "database_unavailable", {"retry-after": "5"}),
    UsageError: (400, "invalid_value", {}),
}


Message = Callable[[Request, int, str, str], Awaitable[Response]]  # of status, heading and words


class ApiError(Exception):
    """A refusal with its HTTP status."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.param = param
        self.code = code


def body(
    status: int, message: str, *, param: str | None = None, code: str | None = None, **more: Any
) -> dict[str, Any]:
    """Return an error as OpenAI writes it."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    message = message.encode("utf-8", "replace").decode()
    return {"error": {"message": message, "type": kind, "param": param, "code": code, **more}}


def describe(error: Exception) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return the status, body and headers that tell a client what went wrong; never a traceback."""
    if isinstance(error, ApiError):
        return error.status, body(error.status, str(error), param=error.param, code=error.code), error.headers
    if isinstance(error, ContextOverflowError):
        more = {"n_prompt_tokens": error.prompt_tokens, "n_ctx": error.context}
        return 400, body(400, str(error), param="messages", code="context_length_exceeded", **more), {}
    for kind, (status, code, headers) in _PASSING.items():
        if isinstance(error, kind):
            return status, body(status, str(error), code=code), headers
    message = str(error) if isinstance(error, GatllmError) else f"unexpected {type(error).__name__}"
    return 500, body(500, message), {}


def install(app: FastAPI, message: Message) -> None:
    """Make every path of ``app`` fail in this shape; people get the page that ``message`` makes."""
    app.state.message = message

    async def ours(request: Request, error: Exception) -> Response:
        status, content, headers = describe(error)
        return await _answer(request, status, content, headers)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101  # that is what it is installed for
        message = str(error.detail)
        if error.status_code == 404:
            message = f"Invalid URL ({request.method} {request.url.path})"
        elif error.status_code == 405:
            message = f"Not allowed to {request.method} on {request.url.path}"
        return await _answer(request, error.status_code, body(error.status_code, message), error.headers or {})

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        message, param, code = in_words(error.errors()[0])
        return await _answer(request, 400, body(400, message, param=param, code=code), {})

    for kind in (ApiError, GatllmError, Exception):
        app.add_exception_handler(kind, ours)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)


async def _answer(request: Request, status: int, content: dict[str, Any], headers: Mapping[str, str]) -> Response:
    """Return JSON for programs and a page for people."""
    if "text/html" not in request.headers.get("accept", "") or request.url.path.startswith("/v1/"):
        return JSONResponse(content, status, dict(headers))
    if status == 401:
        return RedirectResponse("/account", 303)
    heading = {403: "Not for you", 404: "There is no such page"}.get(status, "That did not work")
    words = content["error"]["message"] if status != 404 else "The address may have changed, or never existed."
    try:
        shown: Response = await request.app.state.message(request, status, heading, words)
    except Exception:  # such as the database: the page reads its history
        return JSONResponse(content, status, dict(headers))
    shown.headers.update(headers)
    return shown


def refusal(status: int, message: str, **more: Any) -> JSONResponse:
    """Return an error in the shape of the service's API."""
    kinds = {401: "authentication_error", 402: "payment_required", 403: "permission_error"}
    kind = kinds.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return JSONResponse({"error": {"message": message, "type": kind, **more}}, status)
