"""The part of OpenAI's chat API that is served: what is not listed here is refused, never ignored."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from gatllm.models import ChatOptions, Message
from gatllm.service.schema import Body


class TextPart(Body):
    """A piece of a message."""

    type: Literal["text"]
    text: str


class ChatMessage(Body):
    """One turn."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]
    name: str | None = None

    def plain(self) -> Message:
        """Return it as the generators know it."""
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        role = "system" if self.role == "developer" else self.role
        return {"role": role, "content": text}


class StreamOptions(Body):
    """What a stream should carry besides the answer."""

    include_usage: bool = False
    include_obfuscation: bool = False


class ResponseFormat(Body):
    """Only plain text."""

    type: Literal["text"]


def _zero(value: float | None) -> float | None:
    if value:
        raise ValueError("is not supported, leave it at 0")
    return value


def _off(value: Any) -> Any:
    if value:
        raise ValueError("is not supported: the answer is corrected after it was generated")
    return value


class ChatRequest(Body):
    """``POST /v1/chat/completions``. ``top_k`` is our extension; ``user`` and ``metadata`` are accepted, not kept."""

    model: str
    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    max_tokens: Annotated[int | None, Field(ge=1)] = None
    max_completion_tokens: Annotated[int | None, Field(ge=1)] = None
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    top_p: Annotated[float | None, Field(gt=0, le=1)] = None
    top_k: Annotated[int | None, Field(ge=0)] = None
    n: Annotated[int | None, Field(ge=1, le=8)] = None
    seed: Annotated[int | None, Field(ge=-(2**63), lt=2**63)] = None
    stop: Annotated[list[str], Field(max_length=4)] | str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    store: Annotated[bool | None, AfterValidator(_off)] = None
    response_format: ResponseFormat | None = None
    frequency_penalty: Annotated[float | None, AfterValidator(_zero)] = None
    presence_penalty: Annotated[float | None, AfterValidator(_zero)] = None
    logprobs: Annotated[bool | None, AfterValidator(_off)] = None
    top_logprobs: Annotated[int | None, AfterValidator(_off)] = None

    @model_validator(mode="after")
    def _ends_with_the_user(self) -> ChatRequest:
        if self.messages[-1].role != "user":
            raise ValueError("the last message must be the user's")
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options needs stream")
        return self

    def options(self, default: ChatOptions, choice: int) -> ChatOptions:
        """Return how to generate choice ``choice``; what was not said is as in ``default``."""
        stop = default.stop if self.stop is None else (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)
        count = self.n or 1
        # Several greedy answers would be one: who asks for several gets them drawn.
        temperature = default.temperature if self.temperature is None else self.temperature
        if count > 1 and self.temperature is None:
            temperature = max(temperature, 0.8)
        return ChatOptions(
            max_new_tokens=self.max_completion_tokens or self.max_tokens or default.max_new_tokens,
            temperature=temperature,
            top_k=default.top_k if self.top_k is None else self.top_k,
            top_p=default.top_p if self.top_p is None else self.top_p,
            seed=((default.seed if self.seed is None else self.seed) + choice) % 2**63,
            stop=stop,
        )
