"""The chat page. With script, answers stream in; without, the same form posts and the page comes back answered."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from gatllm.answering import Answer, Assessment, CodeReview, Draft, Text
from gatllm.service import markup
from gatllm.service.conversations import Conversation, Conversations, Turn
from gatllm.service.errors import describe
from gatllm.service.openai_api import Held, assistant_of
from gatllm.service.slots import PING, Ticket

LONGEST_PROMPT = 20_000  # characters
_EVERY = 0.1  # seconds between two renderings of a growing answer
_EXAMPLES = (
    "Write a function that reads a JSON file and returns a default when it is missing.",
    "Fix this:\n\ndef mean(values:\n    return sum(values) / len(values)",
    "How long must a sourdough loaf bake?",
)

router = APIRouter(include_in_schema=False)


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("gatllm.service"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"markdown": markup.markdown, "percent": lambda share: f"{share:.0%}"}
    environment.globals["diff"] = markup.diff
    return environment


@cache
def scripts() -> list[dict[str, str]]:
    """Return the scripts of the page in order; none where set-up has not brought them: the page works without."""
    try:
        text = files("gatllm.service").joinpath("static/vendor/assets.json").read_text(encoding="utf-8")
    except OSError:
        return []
    assets = json.loads(text)["assets"]
    return [assets[name] for name in ("htmx", "hx-sse", "hx-csp")]


def render(name: str, **values: Any) -> str:
    """Return a template filled in."""
    return _templates().get_template(name).render(**values)


def _conversations(request: Request) -> Conversations:
    kept: Conversations = request.app.state.conversations
    return kept


def _page(request: Request, conversation: Conversation | None, *, status: int = 200, problem: str = "") -> HTMLResponse:
    assistant = assistant_of(request)
    library = assistant.library
    page = render(
        "chat.html",
        nonce=request.state.nonce,
        scripts=scripts(),
        conversation=conversation,
        generator=assistant.generator.name,
        datasets=[dataset.name for dataset in library.datasets] if library else [],
        examples=_EXAMPLES,
        longest=LONGEST_PROMPT,
        problem=problem,
        market=hasattr(request.app.state, "market"),
    )
    return HTMLResponse(page, status)


@router.get("/")
async def home(request: Request) -> HTMLResponse:
    """Show an empty conversation."""
    return _page(request, None)


@router.get("/chat/{name}")
async def show(request: Request, name: str) -> HTMLResponse:
    """Show a conversation that is still kept."""
    conversation = _conversations(request).get(name)
    if conversation is None:
        return _page(request, None, status=404, problem="This conversation is no longer kept. Here is a new one.")
    return _page(request, conversation)


@router.post("/chat", response_model=None)
async def ask(
    request: Request,
    held: Held,
    prompt: Annotated[str, Form(max_length=LONGEST_PROMPT)] = "",
    conversation: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
    example: Annotated[int | None, Form(ge=0, lt=len(_EXAMPLES))] = None,
) -> StreamingResponse | HTMLResponse | RedirectResponse:
    """Answer a prompt; ``again`` names a turn below the threshold that the user wants answered all the same."""
    talk = _conversations(request).open(conversation or None)
    turn = talk.find(again) if again else None
    words = prompt.strip() if example is None else _EXAMPLES[example]
    if turn is None and words:
        turn = talk.begin(words)
    streams = request.headers.get("hx-request") == "true"
    if turn is None:
        if streams:
            return HTMLResponse(_partial("#problem", "innerHTML", "Write a question first."))
        return _page(request, talk if talk.turns else None, status=400, problem="Write a question first.")
    work = _Work(request, held.take(), talk, turn, again=bool(again))
    if streams:
        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        return StreamingResponse(work.stream(), media_type="text/event-stream", headers=headers)
    await work.finish()
    return RedirectResponse(f"/chat/{talk.id}#turn-{turn.id}", 303)


@router.post("/chat/stop", response_model=None)
async def stop(request: Request, conversation: Annotated[str, Form()] = "") -> HTMLResponse:
    """End what is being written in a conversation."""
    if _conversations(request).get(conversation) is not None:  # else anyone could fill the memory with names
        request.app.state.stopped.add(conversation)
    return HTMLResponse("")


def _partial(target: str, swap: str, html: str) -> str:
    return f'<hx-partial hx-target="{target}" hx-swap="{swap}">{html}</hx-partial>'


def _event(*partials: str) -> str:
    """Return HTML as one server-sent event."""
    return "".join(f"data: {line}\n" for line in "".join(partials).split("\n")) + "\n"


class _Work:
    """One turn being answered."""

    def __init__(self, request: Request, held: Ticket, talk: Conversation, turn: Turn, *, again: bool) -> None:
        self.request = request
        self.held = held
        self.talk = talk
        self.turn = turn
        self.again = again
        self.text = ""
        self.tokens = 0
        self.reviewed = 0

    async def _events(self) -> AsyncIterator[Any]:
        assistant = assistant_of(self.request)
        stopped: set[str] = self.request.app.state.stopped
        stopped.discard(self.talk.id)
        history = self.talk.history(self.turn)
        prompt, proceed = self.turn.prompt, self.again
        async for event in self.held.run(lambda: assistant.stream(prompt, history, proceed=proceed)):
            if isinstance(event, Assessment):
                self.turn.assessment = event
            elif isinstance(event, Answer):
                self.turn.answer = event
                self.turn.error = ""
            elif isinstance(event, Draft):
                self.tokens += 1
            elif isinstance(event, Text):
                self.text += event.text
            elif isinstance(event, CodeReview):
                self.reviewed += 1
            yield event
            if self.talk.id in stopped:
                stopped.discard(self.talk.id)
                self.turn.error = "Stopped."
                return

    async def finish(self) -> None:
        """Answer without showing the way."""
        try:
            looked = time.monotonic()
            async for _ in self._events():
                if time.monotonic() - looked > PING:
                    looked = time.monotonic()
                    if await self.request.is_disconnected():
                        return
        except Exception as error:  # told on the page, like everything else about this turn
            self.turn.error = str(describe(error)[1]["error"]["message"])

    def _target(self, part: str) -> str:
        return f"#turn-{self.turn.id}-{part}"

    def _growing(self) -> str:
        hint = " Code is held back until it is reviewed." if self.tokens and not self.text.strip() else ""
        status = render("status.html", tokens=self.tokens, hint=hint)
        body = _partial(self._target("text"), "innerHTML", markup.markdown(self.text))
        return _event(body, _partial(self._target("status"), "innerHTML", status))

    async def stream(self) -> AsyncIterator[str]:
        """Yield the turn as it grows, and last as it stays."""
        new = render("turn.html", turn=self.turn, writing=True)
        if self.again:
            yield _event(_partial(f"#turn-{self.turn.id}", "outerHTML", new))
        else:
            field = render("field.html", conversation=self.talk.id, longest=LONGEST_PROMPT)
            yield _event(_partial("#turns", "beforeend", new), _partial("#field", "outerHTML", field))
        shown = 0.0
        try:
            async for event in self._events():
                if event is None:
                    yield ": still at work\n\n"
                elif isinstance(event, Assessment):
                    html = render("confidence.html", assessment=event)
                    yield _event(_partial(self._target("confidence"), "innerHTML", html))
                elif time.monotonic() - shown > _EVERY:
                    shown = time.monotonic()
                    yield self._growing()
        except Exception as error:  # the page is there already: the turn tells what happened
            self.turn.error = str(describe(error)[1]["error"]["message"])
        done = render("turn.html", turn=self.turn, writing=False, partial_text=self.text)
        yield _event(_partial(f"#turn-{self.turn.id}", "outerHTML", done))
