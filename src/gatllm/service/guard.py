"""What every request passes: a known host, no cross-site writes, an id, and headers that say what may run."""

from __future__ import annotations

import json
import logging
import re
import secrets
import time
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatllm.service.errors import body
from gatllm.service.metrics import Metrics

log = logging.getLogger("gatllm.service")

LOOPBACK = ("localhost", "127.0.0.1", "::1")
# When it swaps parts of the page htmx may set an empty style attribute; the hash is that of the empty string.
_NO_STYLE = "'unsafe-hashes' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic'; "
    f"style-src 'self' {_NO_STYLE}; connect-src 'self'; "
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types htmx default"
)
_ID = re.compile(r"[\w.-]{1,64}")


def _refused(headers: Headers, method: str, hosts: Collection[str], origins: Collection[str]) -> str:
    """Return why a request is refused ('' when it isn't); ``origins`` may send from elsewhere.

    A page of another site may make the browser send requests here, under our name (DNS rebinding) or another's.
    """
    host = headers.get("host", "")
    try:
        name = urlsplit(f"//{host}").hostname or ""
        origin = urlsplit(headers.get("origin", "")).netloc if "origin" in headers else None
    except ValueError:
        return "the host or origin is not an address"
    if hosts and name not in hosts:
        return f"the host {name!r} is not served here"
    if method in ("GET", "HEAD", "OPTIONS"):
        return ""
    if headers.get("origin") in origins:
        return ""
    site = headers.get("sec-fetch-site")
    elsewhere = site not in ("same-origin", "none") if site is not None else origin is not None and origin != host
    return "requests from other sites are refused" if elsewhere else ""


class Guard:
    """ASGI middleware. ``hosts``: the names the app is reached by; None: only this machine's own, empty: any.

    ``origins``: the sites whose pages may use the API. A HEAD is answered as a GET without its body, and an address
    with a slash at its end is the one without.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Collection[str] | None = None,
        origins: Collection[str] = (),
        metrics: Metrics | None = None,
    ) -> None:
        self._app = app
        self._hosts = frozenset(name.lower() for name in (LOOPBACK if hosts is None else hosts))
        self._origins = frozenset(origins)
        self._metrics = metrics or Metrics()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request and dress its response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        began = time.monotonic()
        method = scope["method"]
        path = scope["path"].rstrip("/") or "/"
        scope = {**scope, "method": "GET" if method == "HEAD" else method, "path": path, "raw_path": path.encode()}
        asked = headers.get("x-request-id", "")
        state = scope.setdefault("state", {})
        state["id"] = asked if _ID.fullmatch(asked) else secrets.token_hex(8)
        state["nonce"] = secrets.token_urlsafe(16)

        instead: bytes | None = None

        async def dressed(message: Message) -> None:
            nonlocal instead
            if method == "HEAD" and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            if message["type"] == "http.response.body" and instead is not None:
                message, instead = {"type": "http.response.body", "body": instead}, b""
                if not message["body"]:
                    return
            if message["type"] == "http.response.start":
                given = MutableHeaders(scope=message)
                if message["status"] == 413 and not given.get("content-type", "").startswith("application/json"):
                    # The framework refuses large bodies in plain text, before any of its own error handlers.
                    instead = json.dumps(body(413, "the request is too large")).encode()
                    given["content-type"], given["content-length"] = "application/json", str(len(instead))
                given["x-request-id"] = state["id"]
                if cookie := state.get("cookie"):
                    given.append("set-cookie", cookie)
                self._metrics.statuses[f"{message['status'] // 100}xx"] += 1
                log.info(
                    "request",
                    extra={
                        "id": state["id"],
                        "method": method,
                        "path": path,
                        "status": message["status"],
                        "key": getattr(state.get("caller"), "key_id", "") or "",
                        "ms": round((time.monotonic() - began) * 1000, 1),
                    },
                )
                given["x-content-type-options"] = "nosniff"
                given["referrer-policy"] = "no-referrer"
                given.setdefault("content-security-policy", _POLICY.format(nonce=state["nonce"]))
                given.setdefault("cache-control", "no-store")
            await send(message)

        if why := _refused(headers, method, self._hosts, self._origins if path.startswith("/v1/") else ()):
            await JSONResponse(body(403, why), 403)(scope, receive, dressed)
        else:
            await self._app(scope, receive, dressed)
