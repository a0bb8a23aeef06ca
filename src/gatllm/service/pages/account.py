"""The account: keys, usage, sessions, and what is kept about a person."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gatllm.errors import GatllmError
from gatllm.service.access import SESSION_SECONDS, Person, Reader, access_of, keep
from gatllm.service.accounts import Caller
from gatllm.service.errors import ApiError
from gatllm.service.pages.rendering import page
from gatllm.service.parts import client_of, parts_of

router = APIRouter(include_in_schema=False)


@router.get("/account")
async def account(request: Request, caller: Reader) -> HTMLResponse:
    """Show the account, or a way to sign in."""
    if caller is None or (not caller.is_known):
        return await _sign_in(request, caller)
    return await _account(request, caller)


async def _sign_in(request: Request, caller: Caller | None, problem: str = "") -> HTMLResponse:
    parts = parts_of(request)
    visitor = access_of(request).openness == "public"
    return await page(
        request, caller, "login.html", status=401 if problem else 200, problem=problem, visitor=visitor,
        market=parts.market is not None,
    )  # fmt: skip


async def _account(request: Request, caller: Caller, *, new_key: str = "", problem: str = "") -> HTMLResponse:
    parts = parts_of(request)
    keys, usage, sessions = await asyncio.gather(
        asyncio.to_thread(parts.accounts.keys, caller.account_id),
        asyncio.to_thread(parts.usage.of, caller.account_id),
        asyncio.to_thread(parts.accounts.sessions, caller.account_id),
    )
    subscription, unpaid = None, ""
    if parts.market is not None and caller.kind == "wallet":
        try:
            subscription = await asyncio.to_thread(parts.market.subscription, caller.name)
        except GatllmError as error:
            unpaid = str(error)
    return await page(
        request, caller, "account.html", status=400 if problem else 200, keys=keys, usage=usage, sessions=sessions,
        subscription=subscription, unpaid=unpaid,
        names={key.id: key.name for key in keys}, new_key=new_key, problem=problem, base=str(request.base_url),
    )  # fmt: skip


def _back(place: str = "/account") -> RedirectResponse:
    return RedirectResponse(place, 303)


@router.post("/account/sign-in", response_model=None)
async def sign_in(
    request: Request,
    caller: Reader,
    name: Annotated[str, Form(max_length=100)] = "",
    password: Annotated[str, Form(max_length=200)] = "",
) -> HTMLResponse | RedirectResponse:
    """Sign a user in; what the browser said before is theirs from now on."""
    parts = parts_of(request)
    await parts.tries.take(client_of(request, None))
    agent = request.headers.get("user-agent", "")
    try:
        token = await asyncio.to_thread(parts.accounts.sign_in_user, name, password, agent)
    except GatllmError as error:
        return await _sign_in(request, caller, f"{error}")
    if caller is not None and caller.kind == "visitor":
        signed = await asyncio.to_thread(parts.accounts.by_session, token)
        if signed is not None:
            await asyncio.to_thread(parts.conversations.adopt, signed.account_id, caller.account_id)
    keep(request, token, SESSION_SECONDS)
    return _back("/")


def _known(caller: Caller) -> Caller:
    if not caller.is_known:
        raise ApiError(401, "sign in first", code="not_signed_in")
    return caller


@router.post("/account/keys", response_model=None)
async def make_key(request: Request, caller: Person, name: Annotated[str, Form(max_length=100)] = "") -> HTMLResponse:
    """Make an API key and show it, this once."""
    parts = parts_of(request)
    try:
        key = await asyncio.to_thread(parts.accounts.new_key, _known(caller).account_id, name)
    except GatllmError as error:
        return await _account(request, caller, problem=str(error))
    return await _account(request, caller, new_key=key)


@router.post("/account/keys/revoke", response_model=None)
async def revoke_key(request: Request, caller: Person, key: Annotated[str, Form()] = "") -> RedirectResponse:
    """Make a key worthless."""
    await asyncio.to_thread(parts_of(request).accounts.revoke_key, _known(caller).account_id, key)
    return _back()


@router.post("/account/sessions/revoke", response_model=None)
async def revoke_session(request: Request, caller: Person, session: Annotated[str, Form()] = "") -> RedirectResponse:
    """End a session."""
    await asyncio.to_thread(parts_of(request).accounts.revoke_session, _known(caller).account_id, session)
    if session == caller.session_id:
        keep(request, "", 0)
    return _back()


@router.post("/account/feedback", response_model=None)
async def share_feedback(request: Request, caller: Person, shares: Annotated[str, Form()] = "") -> RedirectResponse:
    """Agree that feedback may be trained on, or withdraw that."""
    await asyncio.to_thread(parts_of(request).accounts.set_feedback, caller.account_id, bool(shares))
    request.app.state.parts.access.forget_local()
    return _back()


@router.get("/account/export", response_model=None)
async def export(request: Request, caller: Person) -> Response:
    """Everything that is kept about the caller, as JSON."""
    taken: dict[str, Any] = await asyncio.to_thread(parts_of(request).personal_data.export, caller.account_id)
    text = json.dumps(taken, indent=1, ensure_ascii=False)
    headers = {"content-disposition": 'attachment; filename="gatllm-my-data.json"'}
    return Response(text.encode("utf-8", "replace"), media_type="application/json", headers=headers)


@router.post("/account/erase", response_model=None)
async def erase(request: Request, caller: Person, sure: Annotated[str, Form()] = "") -> RedirectResponse:
    """Forget the caller."""
    if sure != "erase":
        raise ApiError(400, "write 'erase' to confirm")
    await asyncio.to_thread(parts_of(request).personal_data.erase, caller.account_id)
    await asyncio.to_thread(parts_of(request).attribution.forget, caller.account_id)
    request.app.state.parts.access.forget_local()
    keep(request, "", 0)
    return _back("/")
