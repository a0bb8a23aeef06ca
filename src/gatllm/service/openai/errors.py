"""How failures are declared in the API's description."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class ErrorDetail(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """A failure, as OpenAI writes it."""

    error: ErrorDetail


_WORDS = {
    400: "the request can't be answered as it is",
    401: "no valid key or session",
    402: "no subscription",
    403: "not allowed",
    404: "there is no such model",
    405: "not with this method",
    408: "the body of the request did not come in time",
    409: "not now",
    413: "the request is too large",
    415: "not in this form",
    422: "the request can't be answered as it is",
    429: "too many requests, or the queue is full",
    500: "a failure of the server",
    503: "the server is shutting down, or its database is out of reach",
    504: "the answer took too long",
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody, "description": words} for status, words in _WORDS.items()
}
