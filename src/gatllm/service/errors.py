"""Every failure in the shape that OpenAI's clients understand: ``{"error": {message, type, param, code}}``."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from gatllm.errors import GatllmError
from gatllm.models import ContextOverflowError
from gatllm.service.slots import BusyError, StoppingError, TooLongError

_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
# What passes, and when to come back. Only the time-out must not be tried again: it would take as long.
_PASSING: dict[type[Exception], tuple[int, str, dict[str, str]]] = {
    BusyError: (429, "queue_full", {"retry-after": "5"}),
    StoppingError: (503, "shutting_down", {"retry-after": "10"}),
    TooLongError: (504, "timeout", {"x-should-retry": "false"}),
}


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


def install(app: FastAPI) -> None:
    """Make every path of ``app`` fail in this shape."""

    async def ours(_: Request, error: Exception) -> JSONResponse:
        status, content, headers = describe(error)
        return JSONResponse(content, status, headers)

    async def http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101  # that is what it is installed for
        return JSONResponse(body(error.status_code, str(error.detail)), error.status_code, error.headers)

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        first = error.errors()[0]
        place = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
        name = ".".join(place) or None
        if first["type"] == "extra_forbidden":
            message, code = f"{name} is not supported", "unsupported_parameter"
        else:
            message, code = f"{name or 'the request'}: {first['msg']}", "invalid_value"
        return JSONResponse(body(400, message, param=name, code=code), 400)

    for kind in (ApiError, GatllmError, Exception):
        app.add_exception_handler(kind, ours)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
