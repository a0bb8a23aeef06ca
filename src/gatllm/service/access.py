"""Who asks, and may they: this machine's user, an account by session or key, or a visitor."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import Depends, Request

from gatllm.service.accounts import KEY_MARK, SESSION_SECONDS, VISITOR_SECONDS, Accounts, Caller
from gatllm.service.errors import ApiError

COOKIE = "gatllm-session"
Openness = Literal["local", "public", "private"]


class Access:
    """How the service is open.

    ``local``: to whoever reaches it, all of whom are this machine's user. ``public``: to everyone, each with what is
    their own. ``private``: to accounts only.
    """

    def __init__(self, accounts: Accounts, openness: Openness = "local") -> None:
        self._accounts = accounts
        self.openness = openness
        self._local: Caller | None = None

    def find(self, request: Request) -> Caller | None:
        """Return who asks; None where that is not known.

        Raises:
            ApiError: a key was shown that is none (any more).
        """
        given = request.headers.get("authorization", "")
        token = given[7:].strip() if given.lower().startswith("bearer ") else ""
        if token.startswith(KEY_MARK):
            caller = self._accounts.by_key(token)
            if caller is None:
                raise ApiError(401, f"Incorrect API key provided: {token[:10]}…", code="invalid_api_key")
            return caller
        for known in (token, request.cookies.get(COOKIE, "")):
            if known and (caller := self._accounts.by_session(known)) is not None:
                return caller
        if self.openness == "local":
            self._local = self._local or self._accounts.local()
            return self._local
        return None

    def forget_local(self) -> None:
        """Read this machine's user anew: what is kept about them has changed."""
        self._local = None


def access_of(request: Request) -> Access:
    """Return the access of the app that serves ``request``."""
    access: Access = request.app.state.parts.access
    return access


async def caller_or_none(request: Request) -> Caller | None:
    """Return who asks, found once for each request."""
    if not hasattr(request.state, "caller"):
        request.state.caller = await asyncio.to_thread(access_of(request).find, request)
    caller: Caller | None = request.state.caller
    return caller


async def api_caller(request: Request) -> Caller | None:
    """Return who asks by program.

    Raises:
        ApiError: the service is private and they are nobody.
    """
    caller = await caller_or_none(request)
    if access_of(request).openness == "private" and (caller is None or not caller.is_known):
        raise ApiError(
            401,
            "You didn't provide an API key. Make one on the account page and send it as Authorization: Bearer KEY.",
            code="missing_api_key",
            headers={"www-authenticate": "Bearer"},
        )
    return caller


async def signed_in(request: Request) -> Caller:
    """Return the account that asks.

    Raises:
        ApiError: they are nobody, or a visitor.
    """
    caller = await caller_or_none(request)
    if caller is None or not caller.is_known:
        raise ApiError(401, "sign in first", code="not_signed_in")
    return caller


async def operator(request: Request) -> Caller:
    """Return the operator that asks.

    Raises:
        ApiError: they are someone else.
    """
    caller = await signed_in(request)
    if caller.role != "operator":
        raise ApiError(403, "only the operator may do this", code="not_operator")
    return caller


async def caller_or_visitor(request: Request) -> Caller:
    """Return who asks; a browser that is not known yet gets a name, by which it finds its conversations again.

    Raises:
        ApiError: the service is private.
    """
    caller = await caller_or_none(request)
    if access_of(request).openness == "private" and (caller is None or not caller.is_known):
        raise ApiError(401, "sign in first", code="not_signed_in")
    if caller is None:
        accounts: Accounts = request.app.state.parts.accounts
        agent = request.headers.get("user-agent", "")
        visitor, token = await asyncio.to_thread(accounts.visit, agent)
        request.state.caller = visitor
        keep(request, token, VISITOR_SECONDS)
        return visitor
    return caller


def keep(request: Request, token: str, seconds: float) -> None:
    """Let the browser keep a session's token; an empty one takes it away."""
    secure = "; Secure" if request.url.scheme == "https" else ""
    # Lax, not strict: who follows a link to a conversation is still who they are. Writes are guarded by origin.
    request.state.cookie = f"{COOKIE}={token}; Max-Age={int(seconds)}; Path=/; HttpOnly; SameSite=Lax{secure}"


Asker = Annotated[Caller | None, Depends(api_caller)]
SignedIn = Annotated[Caller, Depends(signed_in)]
Operator = Annotated[Caller, Depends(operator)]
Reader = Annotated[Caller | None, Depends(caller_or_none)]
Person = Annotated[Caller, Depends(caller_or_visitor)]

__all__ = [
    "COOKIE", "SESSION_SECONDS", "Access", "Asker", "Openness", "Operator", "Person", "Reader", "SignedIn",
    "access_of", "keep",
]  # fmt: skip
