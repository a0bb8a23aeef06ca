"""Conversations as OpenAI's clients write them, put into words that any generator reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from gatllm.models import Message
from gatllm.service.schema import Body

_GO_ON = "Go on from where your last message ends."


class TextPart(Body):
    """A piece of a message that is text: what users write, what assistants answered or declined."""

    type: Literal["text", "input_text", "output_text", "refusal"]
    text: str | None = None
    refusal: str | None = None
    annotations: list[Any] | None = None
    logprobs: list[Any] | None = None

    def plain(self) -> str:
        """Return its words."""
        return self.text or self.refusal or ""


class Function(Body):
    """A function that was called, with its arguments as JSON."""

    name: str
    arguments: str = ""


class ToolCall(Body):
    """A call that an assistant made earlier."""

    id: str | None = None
    type: str = "function"
    function: Function | None = None
    custom: dict[str, Any] | None = None
    index: int | None = None

    def plain(self) -> str:
        """Return it in words."""
        called = self.function or Function(name=str((self.custom or {}).get("name", "a tool")))
        return f"(I called {called.name} with {called.arguments or 'nothing'}.)"


class ChatMessage(Body):
    """One turn."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[TextPart] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: Function | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    audio: None = None
    annotations: list[Any] | None = None
    reasoning_content: str | None = Field(None, description="What a reasoning model thought; it is not read.")

    def words(self) -> str:
        """Return its text."""
        if isinstance(self.content, list):
            return "".join(part.plain() for part in self.content)
        return self.content or self.refusal or ""

    def plain(self) -> Message:
        """Return it as the generators know it: only three may speak, so a tool's result is told by the user."""
        text = self.words()
        if self.role in ("tool", "function"):
            return {"role": "user", "content": f"Result of {self.name or self.tool_call_id or 'the tool'}:\n{text}"}
        calls = [call.plain() for call in self.tool_calls or ()]
        if self.function_call is not None:
            calls.append(ToolCall(function=self.function_call).plain())
        if self.role == "developer":
            return {"role": "system", "content": text}
        return {"role": self.role, "content": "\n".join([text, *calls] if text else calls)}  # type: ignore[typeddict-item]


def arrange(messages: Sequence[ChatMessage]) -> tuple[str, list[Message]]:
    """Return what is asked, and what was said before.

    A conversation may end with the assistant, who is then to go on, or hold nothing but instructions, which are then
    what is asked.
    """
    said = [message.plain() for message in messages]
    if said[-1]["role"] == "assistant":
        return _GO_ON, said
    if all(message["role"] == "system" for message in said):
        return said[-1]["content"], said[:-1]
    # Some clients repeat their instructions after the question.
    last = max(at for at, message in enumerate(said) if message["role"] != "system")
    if said[last]["role"] == "assistant":
        return _GO_ON, said
    return said[last]["content"], said[:last] + said[last + 1 :]


def as_json(value: Any) -> str:
    """Return JSON that is UTF-8 whatever a generator said."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()
