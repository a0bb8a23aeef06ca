"""One turn being answered: as server-sent events, each a part of the page, or all at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from fastapi import Request

from gatllm.answering import Answer, Assessment, Assistant, Draft, Text
from gatllm.answering.blocks import BlockSplitter, CodeBlock
from gatllm.models import ChatOptions, Message
from gatllm.service.accounts import Caller
from gatllm.service.conversations import history
from gatllm.service.database import Conversation, DatabaseError, Turn
from gatllm.service.errors import describe
from gatllm.service.metrics import Watch
from gatllm.service.pages.rendering import render
from gatllm.service.pages.turn_view import answer_view, assessment_view
from gatllm.service.parts import parts_of
from gatllm.service.prompt_size import check_size
from gatllm.service.slots import PING, Ticket

LONGEST_PROMPT = 20_000  # characters
_EVERY = 0.1  # seconds between two renderings of a growing answer
_SAVED_EVERY = 2.0  # seconds: so much of a growing answer may be lost with the process


def partial(target: str, swap: str, html: str) -> str:
    return f'<hx-partial hx-target="{target}" hx-swap="{swap}">{html}</hx-partial>'


def _event(*partials: str) -> str:
    """Return HTML as one server-sent event."""
    text = "".join(partials).encode("utf-8", "replace").decode()
    return "".join(f"data: {line}\n" for line in text.split("\n")) + "\n"


class TurnWork:
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
            partial(self._target("text"), "innerHTML", text), partial(self._target("status"), "innerHTML", status)
        )

    async def stream(self, gone: list[str] | None, *, first: bool) -> AsyncIterator[str]:
        """Yield the turn as it grows, and last as it stays."""
        yield _event(*self._beginning(gone, first=first))
        shown = told = time.monotonic()
        async for event in self._events():
            now = time.monotonic()
            if isinstance(event, Assessment):
                html = render("confidence.html", assessment=assessment_view(event))
                yield _event(partial(self._target("confidence"), "innerHTML", html))
            elif event is not None and now - shown > _EVERY:
                shown = told = now
                yield self._growing()
            elif now - told > PING:
                told = now
                yield ": still at work\n\n"
        done = render("turn.html", turn=self.turn, talk_id=self.talk.id, writing=False, thumb="", edit="")
        yield _event(partial(f"#turn-{self.turn.id}", "outerHTML", done))

    def _beginning(self, gone: list[str] | None, *, first: bool) -> list[str]:
        turn = render("turn.html", turn=self.turn, talk_id=self.talk.id, writing=True, thumb="", edit="")
        field = render("field.html", conversation=self.talk.id, longest=LONGEST_PROMPT, edited=None, words="")
        parts = [partial("#field", "outerHTML", field), partial("#problem", "innerHTML", "")]
        if gone is None:
            parts.append(partial("#turns", "beforeend", turn))
        else:
            parts.append(partial(f"#turn-{self.turn.id}", "outerHTML", turn))
            parts += [partial(f"#turn-{one}", "delete", "") for one in gone]
        if first:
            entry = render("history_entry.html", one=self.talk, open_id=self.talk.id)
            parts.append(partial("#history", "afterbegin", entry))
        return parts
