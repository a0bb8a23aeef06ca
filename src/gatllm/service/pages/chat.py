"""The chat page. With script, answers stream in; without, the same form posts and the page comes back answered."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse

from gatllm.answering import Answer, Assessment, Assistant, Draft, Text
from gatllm.answering.blocks import BlockSplitter, CodeBlock
from gatllm.models import ChatOptions, Message
from gatllm.service.access import Person, Reader
from gatllm.service.accounts import Caller
from gatllm.service.conversations import history
from gatllm.service.database import Conversation, DatabaseError, Turn
from gatllm.service.errors import ApiError, describe
from gatllm.service.metrics import Watch
from gatllm.service.pages.rendering import page, render
from gatllm.service.pages.turn_view import answer_view, assessment_view
from gatllm.service.parts import NAME, Held, parts_of
from gatllm.service.prompt_size import check_size
from gatllm.service.slots import PING, Ticket

LONGEST_PROMPT = 20_000  # characters
_EVERY = 0.1  # seconds between two renderings of a growing answer
_SAVED_EVERY = 2.0  # seconds: so much of a growing answer may be lost with the process
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
            return HTMLResponse(_partial("#problem", "innerHTML", told))
        kept = await asyncio.to_thread(parts.conversations.get, caller.account_id, conversation)
        pay = refused is not None
        return await _show(request, caller, *(kept or ()), status=status, problem=problem, pay=pay, words=words)
    try:
        _check_text(words)
        assistant = parts.assistant_of(model or NAME)
        await check_size(assistant.generator, [{"role": "user", "content": words}])
        ticket = held.take()
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
        return HTMLResponse(_partial("#problem", "innerHTML", told), 200, headers if status != 401 else None)
    options = _options(assistant.options, temperature, max_tokens, anew=bool(again) and not words, answers=answers)
    proceed = bool(again) and not words
    work = _Work(request, ticket, caller, talk, turn, options, assistant, answers=answers, proceed=proceed)
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
        return HTMLResponse(_partial(f"#turn-{turn}-thumbs", "outerHTML", thumbs))
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


def _partial(target: str, swap: str, html: str) -> str:
    return f'<hx-partial hx-target="{target}" hx-swap="{swap}">{html}</hx-partial>'


def _event(*partials: str) -> str:
    """Return HTML as one server-sent event."""
    text = "".join(partials).encode("utf-8", "replace").decode()
    return "".join(f"data: {line}\n" for line in text.split("\n")) + "\n"


class _Work:
    """One turn being answered."""

    def __init__(
        self,
        request: Request,
        ticket: Ticket,
        caller: Caller,
        talk: Conversation,
        turn: Turn,
        options: ChatOptions,
        assistant: Assistant,
        *,
        answers: int,
        proceed: bool,
    ) -> None:
        self.request = request
        self.ticket = ticket
        self.caller = caller
        self.parts = parts_of(request)
        self.talk = talk
        self.turn = turn
        self.options = options
        self.assistant = assistant
        self.answers = answers
        self.proceed = proceed
        self.text = ""
        self.draft = ""  # what the generator wrote since the last reviewed text
        self._under_review = ""  # a block that is complete
        self._splitter = BlockSplitter()
        self.tokens = 0
        self.found: list[dict[str, Any]] = []
        self._saved = time.monotonic()

    async def _events(self) -> AsyncIterator[Any]:
        """Answer, keeping what is known as it comes; what is acknowledged to the reader is in the database."""
        parts, turn = self.parts, self.turn
        parts.writing[turn.id] = self.caller.account_id
        try:
            kept = await asyncio.to_thread(parts.conversations.get, self.caller.account_id, self.talk.id)
            before = history(kept[1], turn) if kept else []
            await check_size(self.assistant.generator, [*before, {"role": "user", "content": turn.prompt}])
            for number in range(self.answers):
                options = replace(self.options, seed=self.options.seed + number)
                async for event in self._one(before, options):
                    yield event
                if turn.state == "stopped" or (self.found and self.found[0]["declined"]):
                    break
            if turn.state == "writing":
                turn.state = "declined" if self.found[0]["declined"] else "done"
        except Exception as error:  # told on the page, like everything else about this turn
            turn.state, turn.error = "failed", str(describe(error)[1]["error"]["message"])
        except BaseException:  # the reader has left: what there is stays
            turn.state, turn.error = "stopped", "You left before this was finished."
            raise
        finally:
            parts.writing.pop(turn.id, None)
            parts.stopped.discard(turn.id)
            self._settle()
            # In a task of its own: the reader may have left, and nothing may be awaited then.
            saving = asyncio.create_task(self._save(final=True))
            parts.saving.add(saving)
            saving.add_done_callback(parts.saving.discard)
        await asyncio.shield(saving)

    def _settle(self) -> None:
        turn = self.turn
        if self.found:
            turn.answer = self.found[0] | {"others": self.found[1:]}
            turn.text = self.found[0]["text"]
        else:
            turn.text = self.text

    async def _one(self, before: list[Message], options: ChatOptions) -> AsyncIterator[Any]:
        parts, turn = self.parts, self.turn
        self.text = self.draft = self._under_review = ""
        self._splitter = BlockSplitter()
        watch, reason = Watch(parts.metrics), "error"
        learns = self.caller.is_known
        stream = self.ticket.run(
            lambda: self.assistant.stream(turn.prompt, before, options, proceed=self.proceed, learn=learns)
        )
        try:
            async for event in stream:
                if isinstance(event, Assessment):
                    turn.assessment = assessment_view(event)
                elif isinstance(event, Answer):
                    reason = event.finish_reason
                    self.found.append(await asyncio.to_thread(answer_view, event, parts.tokens_of))
                    watch.end(reason, event.prompt_tokens, event.completion_tokens)
                    await parts.count_answer(self.caller, event)
                elif isinstance(event, Draft):
                    watch.token()
                    self._drafted(event.text)
                elif isinstance(event, Text):
                    self.text += event.text
                    self._under_review, self.draft = "", self._splitter.pending
                yield event
                if turn.id in parts.stopped:
                    reason, turn.state, turn.error = "abort", "stopped", "Stopped."
                    return
                if time.monotonic() - self._saved > _SAVED_EVERY:
                    await self._save()
        finally:
            await stream.aclose()
            if reason in ("error", "abort"):
                watch.end(reason)

    def _drafted(self, piece: str) -> None:
        """Take in what the generator wrote; prose is shown at once as text, code as a draft until it is reviewed."""
        self.tokens += 1
        for part in self._splitter.feed(piece):
            if isinstance(part, CodeBlock):
                self._under_review += part.with_code(part.code)
        self.draft = self._under_review + self._splitter.pending

    async def _save(self, *, final: bool = False) -> None:
        self._saved = time.monotonic()
        turn = self.turn
        values: dict[str, Any] = {"text": self.text, "assessment": turn.assessment}
        if final:
            values = {name: getattr(turn, name) for name in ("text", "assessment", "answer", "state", "error")}
        values["text"] = values["text"].encode("utf-8", "replace").decode()
        try:
            await asyncio.to_thread(self.parts.conversations.save, turn.id, **values)
        except DatabaseError as error:
            if final:  # the answer is shown, and it is said that it is not kept
                turn.error = f"This answer could not be kept: {error}"

    async def finish(self) -> None:
        """Answer without showing the way."""
        looked = time.monotonic()
        async for _ in self._events():
            if time.monotonic() - looked > PING:
                looked = time.monotonic()
                if await self.request.is_disconnected():
                    return

    def _target(self, part: str) -> str:
        return f"#turn-{self.turn.id}-{part}"

    def _growing(self) -> str:
        status = render("status.html", turn_id=self.turn.id, tokens=self.tokens, draft=bool(self.draft.strip()))
        text = render("growing.html", text=self.text, draft=self.draft)
        return _event(
            _partial(self._target("text"), "innerHTML", text), _partial(self._target("status"), "innerHTML", status)
        )

    async def stream(self, gone: list[str] | None, *, first: bool) -> AsyncIterator[str]:
        """Yield the turn as it grows, and last as it stays."""
        yield _event(*self._beginning(gone, first=first))
        shown = told = time.monotonic()
        async for event in self._events():
            now = time.monotonic()
            if isinstance(event, Assessment):
                html = render("confidence.html", assessment=assessment_view(event))
                yield _event(_partial(self._target("confidence"), "innerHTML", html))
            elif event is not None and now - shown > _EVERY:
                shown = told = now
                yield self._growing()
            elif now - told > PING:
                told = now
                yield ": still at work\n\n"
        done = render("turn.html", turn=self.turn, talk_id=self.talk.id, writing=False, thumb="", edit="")
        yield _event(_partial(f"#turn-{self.turn.id}", "outerHTML", done))

    def _beginning(self, gone: list[str] | None, *, first: bool) -> list[str]:
        turn = render("turn.html", turn=self.turn, talk_id=self.talk.id, writing=True, thumb="", edit="")
        field = render("field.html", conversation=self.talk.id, longest=LONGEST_PROMPT, edited=None, words="")
        parts = [_partial("#field", "outerHTML", field), _partial("#problem", "innerHTML", "")]
        if gone is None:
            parts.append(_partial("#turns", "beforeend", turn))
        else:
            parts.append(_partial(f"#turn-{self.turn.id}", "outerHTML", turn))
            parts += [_partial(f"#turn-{one}", "delete", "") for one in gone]
        if first:
            entry = render("history_entry.html", one=self.talk, open_id=self.talk.id)
            parts.append(_partial("#history", "afterbegin", entry))
        return parts
