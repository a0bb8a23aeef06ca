"""The chat page. With script, answers stream in; without, the same form posts and the page comes back answered."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse

from gatllm.models import ChatOptions
from gatllm.service.access import Person, Reader
from gatllm.service.accounts import Caller
from gatllm.service.database import Conversation, Turn
from gatllm.service.errors import ApiError, describe
from gatllm.service.pages.rendering import page, render
from gatllm.service.pages.turn_work import LONGEST_PROMPT, TurnWork, partial
from gatllm.service.parts import NAME, Held, parts_of
from gatllm.service.prompt_size import check_size

_EXAMPLES = (
    ("Write a function", "Write a function that reads a JSON file and returns a default when it is missing."),
    ("Correct my code", "Fix this:\n\ndef mean(values:\n    return sum(values) / len(values)"),
    ("Ask what it can't know", "How long must a sourdough loaf bake?"),
)

router = APIRouter(include_in_schema=False)


async def _show(
    request: Request,
    caller: Caller | None,
    talk: Conversation | None = None,
    turns: list[Turn] | None = None,
    *,
    status: int = 200,
    problem: str = "",
    pay: bool = False,
    words: str = "",
    edited: Turn | None = None,
) -> HTMLResponse:
    parts = parts_of(request)
    library = parts.assistant.library
    thumbs: dict[str, str] = {}
    edits: dict[str, str] = {}
    if caller is not None and talk is not None:
        thumbs = await asyncio.to_thread(parts.feedback.of, caller.account_id, talk.id)
        edits = await asyncio.to_thread(parts.feedback.edits, caller.account_id, talk.id)
    return await page(
        request,
        caller,
        "chat.html",
        status=status,
        open_id=talk.id if talk else "",
        talk=talk,
        turns=turns or [],
        thumbs=thumbs,
        edits=edits,
        datasets=[dataset.name for dataset in library.datasets] if library else [],
        examples=_EXAMPLES,
        longest=LONGEST_PROMPT,
        models=list(parts.models),
        most_tokens=parts.assistant.options.max_new_tokens,
        problem=problem,
        pay=pay,
        words=words,
        edited=edited,
    )


@router.get("/")
async def home(request: Request, caller: Reader) -> HTMLResponse:
    """Show an empty conversation."""
    return await _show(request, caller)


@router.get("/chat/{name}")
async def show(request: Request, name: str, caller: Reader, edit: str = "") -> HTMLResponse:
    """Show a conversation; ``edit`` names a question to write anew."""
    parts = parts_of(request)
    found = None
    if caller is not None:
        found = await asyncio.to_thread(parts.conversations.get, caller.account_id, name)
    if found is None:
        problem = "There is no such conversation (any more). Here is a new one."
        return await _show(request, caller, status=404, problem=problem)
    talk, turns = found
    return await _show(request, caller, talk, turns, edited=next((turn for turn in turns if turn.id == edit), None))


@router.get("/history")
async def find(request: Request, caller: Reader, q: Annotated[str, "words"] = "", at: str = "") -> HTMLResponse:
    """Return the conversations that hold some words."""
    listed: Any = []
    if caller is not None:
        listed = await asyncio.to_thread(parts_of(request).conversations.listed, caller.account_id, q[:200])
    return HTMLResponse(render("history.html", conversations=listed, open_id=at, search=q))


@router.post("/chat", response_model=None)
async def ask(
    request: Request,
    held: Held,
    caller: Person,
    prompt: Annotated[str, Form(max_length=LONGEST_PROMPT)] = "",
    conversation: Annotated[str, Form(max_length=40)] = "",
    again: Annotated[str, Form(max_length=40)] = "",
    example: Annotated[int | None, Form(ge=0, lt=len(_EXAMPLES))] = None,
    temperature: Annotated[float | None, Form(ge=0, le=2)] = None,
    max_tokens: Annotated[int | None, Form(ge=1, le=8192)] = None,
    answers: Annotated[int, Form(ge=1, le=4)] = 1,
    model: Annotated[str, Form(max_length=200)] = "",
) -> StreamingResponse | HTMLResponse | RedirectResponse:
    """Answer a prompt. ``again`` names a turn to answer once more: with other words, or as it was."""
    parts = parts_of(request)
    streams = request.headers.get("hx-request") == "true"
    words = (prompt.strip() if example is None else _EXAMPLES[example][1]).replace("\r\n", "\n")
    refused: tuple[int, str] | None = getattr(request.state, "refused", None)  # by the pay wall
    if refused is not None or not (words or again):
        status, problem = refused[:2] if refused is not None else (400, "Write a question first.")
        if streams:  # what was typed stays in its field
            told = render("problem.html", problem=problem, pay=refused is not None)
            return HTMLResponse(partial("#problem", "innerHTML", told))
        kept = await asyncio.to_thread(parts.conversations.get, caller.account_id, conversation)
        pay = refused is not None
        return await _show(request, caller, *(kept or ()), status=status, problem=problem, pay=pay, words=words)
    try:
        _check_text(words)
        assistant = parts.assistant_of(model or NAME)
        await check_size(assistant.generator, [{"role": "user", "content": words}])
        ticket = await held.take()
        gone: list[str] | None = None
        if again:
            await asyncio.to_thread(parts.feedback.add_again, caller.account_id, again)
            talk, turn, gone = await asyncio.to_thread(
                parts.conversations.anew, caller.account_id, again, words or None
            )
        else:
            talk, turn = await asyncio.to_thread(parts.conversations.begin, caller.account_id, words, conversation)
    except Exception as error:
        status, content, headers = describe(error)
        if not streams:
            raise
        # The page shows the reason and keeps what was typed.
        told = render("problem.html", problem=content["error"]["message"], pay=False)
        return HTMLResponse(partial("#problem", "innerHTML", told), 200, headers if status != 401 else None)
    options = _options(assistant.options, temperature, max_tokens, anew=bool(again) and not words, answers=answers)
    proceed = bool(again) and not words
    work = TurnWork(request, ticket, caller, talk, turn, options, assistant, answers=answers, proceed=proceed)
    if streams:
        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        body = work.stream(gone, first=not conversation and not again)
        return StreamingResponse(body, media_type="text/event-stream", headers=headers)
    await work.finish()
    return RedirectResponse(f"/chat/{work.talk.id}#turn-{work.turn.id}", 303)


def _check_text(words: str) -> None:
    if "\x00" in words or any("\ud800" <= character <= "\udfff" for character in words):
        raise ApiError(400, "the question holds characters that are not text")


def _options(
    options: ChatOptions, temperature: float | None, max_tokens: int | None, *, anew: bool, answers: int
) -> ChatOptions:
    if max_tokens is not None:
        options = replace(options, max_new_tokens=max_tokens)
    if temperature is None and (anew or answers > 1):  # the likeliest answer would be the same again
        temperature = 0.8
    if temperature is not None:
        options = replace(options, temperature=temperature)
    return replace(options, seed=secrets.randbelow(2**31)) if options.temperature else options


@router.post("/chat/stop", response_model=None)
async def stop(request: Request, caller: Reader, turn: Annotated[str, Form(max_length=40)] = "") -> HTMLResponse:
    """End what is being written."""
    parts = parts_of(request)
    if caller is not None and turn in parts.writing and parts.writing[turn] == caller.account_id:
        parts.stopped.add(turn)
    return HTMLResponse("")


@router.post("/chat/edit", response_model=None)
async def edit(
    request: Request,
    caller: Person,
    turn: Annotated[str, Form(max_length=40)] = "",
    text: Annotated[str, Form(max_length=LONGEST_PROMPT)] = "",
) -> RedirectResponse:
    """Keep what the answer should have been: where its writer agreed, training reads it."""
    parts = parts_of(request)
    words = text.replace("\r\n", "\n").strip()
    _check_text(words)
    if not words:
        raise ApiError(400, "write what the answer should have been")
    talk = await asyncio.to_thread(parts.feedback.add, caller.account_id, turn, "edit", words)
    return RedirectResponse(f"/chat/{talk}#turn-{turn}", 303)


@router.post("/chat/feedback", response_model=None)
async def feedback(
    request: Request, caller: Person, up: Annotated[str, Form()] = "", down: Annotated[str, Form()] = ""
) -> HTMLResponse | RedirectResponse:
    """Keep a thumb."""
    parts = parts_of(request)
    turn, kind = (up, "up") if up else (down, "down")
    await asyncio.to_thread(parts.feedback.add, caller.account_id, turn, kind)
    if request.headers.get("hx-request") == "true":
        thumbs = render("thumbs.html", turn_id=turn, thumb=kind)
        return HTMLResponse(partial(f"#turn-{turn}-thumbs", "outerHTML", thumbs))
    return RedirectResponse(request.headers.get("referer", "/"), 303)


@router.post("/chat/{name}/change", response_model=None)
async def change(
    request: Request,
    name: str,
    caller: Person,
    title: Annotated[str, Form(max_length=200)] = "",
    remove: Annotated[str, Form()] = "",
) -> RedirectResponse:
    """Rename a conversation, or forget it."""
    parts = parts_of(request)
    if remove:
        await asyncio.to_thread(parts.conversations.remove, caller.account_id, name)
        return RedirectResponse("/", 303)
    await asyncio.to_thread(parts.conversations.rename, caller.account_id, name, title)
    return RedirectResponse(f"/chat/{name}", 303)
