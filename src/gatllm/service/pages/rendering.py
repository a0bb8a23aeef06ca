"""Fills templates in, with what is the same on every page: navigation, history, scripts."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from gatllm.proof import visible
from gatllm.service.accounts import Caller
from gatllm.service.database import Conversation
from gatllm.service.pages import markup
from gatllm.service.parts import Parts, parts_of

_SHOWN = 60  # conversations in the side bar; the search finds the others


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("gatllm.service"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "markdown": markup.markdown,
        "percent": lambda share: f"{share:.0%}",
        "moment": lambda seconds: time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds)) if seconds else "never",
    }
    environment.filters |= {"visible": visible, "ether": markup.ether, "size": markup.size}
    environment.globals["diff"] = markup.diff
    return environment


@cache
def scripts() -> list[dict[str, str]]:
    """Return the scripts of every page in order; none where set-up has not brought them."""
    try:
        text = files("gatllm.service").joinpath("static/vendor/assets.json").read_text(encoding="utf-8")
    except OSError:
        return []
    assets = json.loads(text)["assets"]
    return [assets[name] for name in ("htmx", "hx-sse", "hx-csp", "page")]


def render(name: str, **values: Any) -> str:
    """Return a template filled in."""
    return _templates().get_template(name).render(**values)


def places(parts: Parts, caller: Caller | None) -> list[tuple[str, str]]:
    """Return (address, name) of the pages that a caller finds in the navigation."""
    market = parts.market is not None
    known = caller is not None and caller.is_known
    listed = [
        ("/", "Chat", True),
        ("/datasets", "Datasets", market),
        ("/contribute", "Contribute", market),
        ("/training", "Training", True),
        ("/requests", "Data requests", True),
        ("/market", "Wallet", market),
        ("/account", "Account", True),
        ("/operator", "Operator", known and caller is not None and caller.role == "operator"),
    ]
    return [(address, name) for address, name, shown in listed if shown]


async def page(
    request: Request, caller: Caller | None, name: str, *, status: int = 200, open_id: str = "", **values: Any
) -> HTMLResponse:
    """Return a whole page. ``open_id``: the conversation that is open.

    The template extends ``base.html``.
    """
    return await asyncio.to_thread(whole_page, request, caller, name, status=status, open_id=open_id, **values)


def whole_page(
    request: Request, caller: Caller | None, name: str, *, status: int = 200, open_id: str = "", **values: Any
) -> HTMLResponse:
    """Return what `page` does; it reads the database, so it belongs into a thread."""
    parts = parts_of(request)
    listed: Sequence[Conversation] = []
    if caller is not None:
        listed = parts.conversations.listed(caller.account_id, "", _SHOWN)
    html = render(
        name,
        nonce=request.state.nonce,
        scripts=scripts(),
        caller=caller,
        places=places(parts, caller),
        here=request.url.path,
        conversations=listed,
        open_id=open_id,
        search="",
        generator=parts.assistant.generator.name,
        **values,
    )
    return HTMLResponse(html, status)


async def message(request: Request, status: int, heading: str, words: str) -> HTMLResponse:
    """Return a page that says one thing, such as that there is none."""
    caller = getattr(request.state, "caller", None)
    return await page(request, caller, "message.html", status=status, heading=heading, words=words)
