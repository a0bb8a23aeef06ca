"""The part of OpenAI's API that is served. What is harmless is taken and not used; what would change the answer and
can't be done is refused.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from gatllm.models import ChatOptions
from gatllm.service.openai.messages import ChatMessage
from gatllm.service.schema import Body

LONGEST_ANSWER = 2**20  # tokens that may be asked for; the generator's context ends it far earlier


class StreamOptions(Body):
    """What a stream should carry besides the answer."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ResponseFormat(Body):
    """In which form to answer: only plain text."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: dict[str, Any] | None = None


def _text_only(value: ResponseFormat | None) -> ResponseFormat | None:
    if value is not None and value.type != "text":
        raise ValueError(f"of type {value.type!r} is not supported with this model: it answers in words and code")
    return value


def _no_call(value: Any) -> Any:
    if isinstance(value, dict) or value == "required":
        raise ValueError("is not supported: this model answers in words and calls no tools; use 'auto' or 'none'")
    if value not in (None, "none", "auto"):
        raise ValueError("must be 'none' or 'auto'")
    return value


def _words_only(value: list[str] | None) -> list[str] | None:
    if value is not None and value != ["text"]:
        raise ValueError("only 'text' is supported")
    return value


def _no_search(value: Any) -> Any:
    if value is not None:
        raise ValueError("is not supported: this server reaches no network")
    return value


def _no_suffix(value: str | None) -> str | None:
    if value:
        raise ValueError("is not supported by this model")
    return value


def _no_dimensions(value: Any) -> Any:
    if value is not None:
        raise ValueError("is not supported by this model")
    return value


class Sampled(Body):
    """How to choose tokens. ``top_k`` is our extension."""

    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    top_p: Annotated[float | None, Field(ge=0, le=1)] = None
    top_k: Annotated[int | None, Field(ge=0, le=2**31)] = None
    n: Annotated[int | None, Field(ge=1, le=8)] = None
    seed: Annotated[int | None, Field(ge=-(2**63), lt=2**63)] = None
    stop: Annotated[list[str], Field(max_length=4)] | str | None = None
    frequency_penalty: Annotated[float | None, Field(ge=-2, le=2)] = None
    presence_penalty: Annotated[float | None, Field(ge=-2, le=2)] = None
    logit_bias: dict[str, float] | None = None

    def sampled(self, default: ChatOptions, choice: int, limit: int | None) -> ChatOptions:
        """Return how to generate choice ``choice``; what was not said is as in ``default``."""
        given = [self.stop] if isinstance(self.stop, str) else self.stop
        stop = default.stop if given is None else tuple(one for one in given if one)
        # Several greedy answers would be one: who asks for several gets them drawn.
        temperature = default.temperature if self.temperature is None else self.temperature
        if (self.n or 1) > 1 and self.temperature is None:
            temperature = max(temperature, 0.8)
        if self.top_p == 0:  # of the most likely tokens as few as can be: the likeliest
            temperature = 0.0
        return ChatOptions(
            max_new_tokens=limit or default.max_new_tokens,
            temperature=temperature,
            top_k=default.top_k if self.top_k is None else self.top_k,
            top_p=self.top_p or default.top_p,
            seed=((default.seed if self.seed is None else self.seed) + choice) % 2**63,
            stop=stop,
        )

    def unused(self) -> list[str]:
        """Return what was asked for and has no effect on the answer."""
        return [name for name in _UNUSED if getattr(self, name, None)]


# Taken because clients send it unasked; the answer tells that it had no effect.
_UNUSED = ("tools", "functions", "logprobs", "frequency_penalty", "presence_penalty", "logit_bias", "reasoning_effort",
           "reasoning", "prediction", "verbosity", "store")  # fmt: skip

Limit = Annotated[int | None, Field(ge=1, le=LONGEST_ANSWER)]


class ChatRequest(Sampled):
    """``POST /v1/chat/completions``."""

    model: str
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=2048)]
    max_tokens: Limit = None
    max_completion_tokens: Limit = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    response_format: Annotated[ResponseFormat | None, AfterValidator(_text_only)] = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Annotated[str | dict[str, Any] | None, AfterValidator(_no_call)] = None
    parallel_tool_calls: bool | None = None
    functions: list[dict[str, Any]] | None = None
    function_call: Annotated[str | dict[str, Any] | None, AfterValidator(_no_call)] = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int | None, Field(ge=0, le=20)] = None
    modalities: Annotated[list[str] | None, AfterValidator(_words_only)] = None
    audio: Annotated[Any, AfterValidator(_no_search)] = None
    web_search_options: Annotated[Any, AfterValidator(_no_search)] = None
    prediction: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    metadata: dict[str, Any] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None

    @model_validator(mode="after")
    def _only_streams_have_options(self) -> ChatRequest:
        if self.stream_options is not None and not self.stream:
            raise ValueError("The 'stream_options' parameter is only allowed when 'stream' is enabled.")
        return self

    def options(self, default: ChatOptions, choice: int) -> ChatOptions:
        """Return how to generate choice ``choice``."""
        return self.sampled(default, choice, self.max_completion_tokens or self.max_tokens)


class CompletionRequest(Sampled):
    """``POST /v1/completions``: text continues, unreviewed."""

    model: str
    prompt: str | Annotated[list[str], Field(min_length=1, max_length=16)]
    max_tokens: Annotated[int | None, Field(ge=1, le=LONGEST_ANSWER)] = 16
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    echo: bool | None = None
    suffix: Annotated[str | None, AfterValidator(_no_suffix)] = None
    best_of: Annotated[int | None, Field(ge=1, le=8)] = None
    logprobs: Annotated[int | None, Field(ge=0, le=5)] = None
    user: str | None = None


class EmbeddingRequest(Body):
    """``POST /v1/embeddings``."""

    model: str
    input: str | Annotated[list[str], Field(min_length=1, max_length=256)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[Any, AfterValidator(_no_dimensions)] = None
    user: str | None = None
