"""The API as OpenAI's own client sees it, and the wire rules it does not check."""

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest
from fastapi import FastAPI

from gatllm.answering import Assistant, ConfidenceModel, FakeGenerator, Library
from gatllm.review import Reviewer
from gatllm.service import create_app
from tests.service.conftest import QUOTE, REPAIRED, REPLY, Connect

ASK: list[Any] = [{"role": "user", "content": "double a number"}]


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


def openai_client(client: httpx.AsyncClient) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url="http://localhost/v1", api_key="none", http_client=client, max_retries=0)


def test_the_openai_client_gets_a_reviewed_answer(
    library: Library, confidence: ConfidenceModel, connect: Connect
) -> None:
    generator = FakeGenerator(f"{QUOTE}{REPLY}")
    informed = create_app(Assistant(generator, Reviewer(), library, confidence=confidence))

    async def go() -> None:
        async with connect(informed) as client:
            answer = await openai_client(client).chat.completions.create(model="gatllm", messages=ASK)
        assert answer.choices[0].message.content == QUOTE + REPAIRED
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage is not None
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
        known = (answer.model_extra or {})["gatllm"]
        assert 0 <= known["confidence"] <= 1
        assert known["verdict"] == "real"
        assert known["edits"][0]["text"] == ":"
        assert known["sources"][0]["proof"]

    run(go())


def test_the_openai_client_gets_a_stream(app: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        async with connect(app) as client:
            stream = await openai_client(client).chat.completions.create(
                model="gatllm", messages=ASK, stream=True, stream_options={"include_usage": True}
            )
            chunks = [chunk async for chunk in stream]
        *parts, usage = chunks
        assert "".join(chunk.choices[0].delta.content or "" for chunk in parts) == REPAIRED
        assert parts[0].choices[0].delta.role == "assistant"
        assert [chunk.choices[0].finish_reason for chunk in parts] == [None] * (len(parts) - 1) + ["stop"]
        assert usage.choices == []
        assert usage.usage is not None
        assert usage.usage.total_tokens > 0
        assert (parts[-1].model_extra or {})["gatllm"]["verdict"] == "real"

    run(go())


def test_the_wire_of_a_stream(app: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        async with connect(app) as client:
            body = {"model": "gatllm", "messages": ASK, "stream": True}
            response = await client.post("/v1/chat/completions", json=body, headers={"x-request-id": "mine-1"})
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-cache"
        assert response.headers["x-accel-buffering"] == "no"
        assert response.headers["x-request-id"] == "mine-1"
        events = [event for event in response.text.split("\n\n") if event.startswith("data: ")]
        assert events[-1] == "data: [DONE]"
        chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-1]]
        assert all("finish_reason" in choice for chunk in chunks for choice in chunk["choices"])
        assert {chunk["id"] for chunk in chunks} == {"chatcmpl-mine-1"}
        assert all("usage" not in chunk for chunk in chunks)

    run(go())


def test_several_choices(connect: Connect) -> None:
    app = create_app(Assistant(FakeGenerator("one", "two"), Reviewer()))

    async def go() -> None:
        async with connect(app) as client:
            answer = await openai_client(client).chat.completions.create(model="gatllm", messages=ASK, n=2)
            assert [choice.message.content for choice in answer.choices] == ["one", "two"]
            stream = await openai_client(client).chat.completions.create(model="gatllm", messages=ASK, n=2, stream=True)
            reasons = [(c.choices[0].index, c.choices[0].finish_reason) async for c in stream]
            assert [reason for reason in reasons if reason[1]] == [(0, "stop"), (1, "stop")]

    run(go())


def test_history_and_options_reach_the_generator(connect: Connect) -> None:
    generator = FakeGenerator(REPLY)
    app = create_app(Assistant(generator, Reviewer()))
    messages: list[Any] = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]},
        {"role": "assistant", "content": "three"},
        {"role": "user", "content": "four"},
    ]

    async def go() -> None:
        async with connect(app) as client:
            answer = await openai_client(client).chat.completions.create(
                model="fake", messages=messages, max_tokens=2, stop=["never"], seed=7, user="u"
            )
        assert answer.choices[0].finish_reason == "length"

    run(go())
    assert [(message["role"], message["content"]) for message in generator.asked[0]] == [
        ("system", "Be brief."),
        ("user", "one two"),
        ("assistant", "three"),
        ("user", "four"),
    ]


def test_models_are_listed_and_found(app: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        async with connect(app) as client:
            ours = openai_client(client)
            assert [model.id async for model in ours.models.list()] == ["gatllm", "fake"]
            assert (await ours.models.retrieve("fake")).id == "fake"
            with pytest.raises(openai.NotFoundError, match="`gpt-4` does not exist"):
                await ours.models.retrieve("gpt-4")
            with pytest.raises(openai.NotFoundError, match="does not exist"):
                await ours.chat.completions.create(model="gpt-4", messages=ASK)

    run(go())


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"messages": []}, "Invalid 'messages'"),
    ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, "messages.0"),
    ({"messages": "hi"}, "Invalid type for 'messages': expected an array"),
    ({"model": None}, "Invalid type for 'model': expected a string"),
    ({"temperature": 3}, "Invalid 'temperature': above maximum value. Expected a value <= 2.0, but got 3 instead."),
    ({"temperature": "hot"}, "temperature"),
    ({"max_tokens": 0}, "Invalid 'max_tokens': below minimum value"),
    ({"n": 100}, "Invalid 'n': above maximum value"),
    ({"tool_choice": "required"}, "'tool_choice' is not supported"),
    ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "'tool_choice' is not supported"),
    (
        {"response_format": {"type": "json_object"}},
        "Invalid parameter: 'response_format' of type 'json_object' is not supported with this model",
    ),
    (
        {"response_format": {"type": "json_schema", "json_schema": {}}},
        "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model",
    ),
    ({"modalities": ["text", "audio"]}, "only 'text'"),
    ({"web_search_options": {}}, "not supported"),
    ({"stream_options": {"include_usage": True}}, "only allowed when 'stream' is enabled"),
    ({"frobnicate": 1}, "Unrecognized request argument supplied: frobnicate"),
    ({"stop": ["a"] * 5}, "stop"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_is_not_supported_is_refused_not_ignored(
    app: FastAPI, connect: Connect, change: dict[str, Any], message: str
) -> None:
    async def go() -> None:
        async with connect(app) as client:
            response = await client.post("/v1/chat/completions", json={"model": "gatllm", "messages": ASK} | change)
        assert response.status_code == 400
        error = response.json()["error"]
        assert message in error["message"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["type"] == "invalid_request_error"

    run(go())


def test_a_too_long_conversation_is_400_with_both_numbers(connect: Connect) -> None:
    app = create_app(Assistant(FakeGenerator(REPLY, context=20), Reviewer()))
    long: list[Any] = [{"role": "user", "content": "word " * 50}]

    async def go() -> None:
        async with connect(app) as client:
            for stream in (False, True):
                body = {"model": "gatllm", "messages": long, "stream": stream}
                response = await client.post("/v1/chat/completions", json=body)
                assert response.status_code == 400
                error = response.json()["error"]
                assert error["code"] == "context_length_exceeded"
                assert error["n_prompt_tokens"] > error["n_ctx"] == 20

    run(go())


class Failing(FakeGenerator):
    """Breaks down in the middle."""

    def stream(self, messages: Any, options: Any) -> Any:
        yield "so far "
        raise RuntimeError("a secret of the inside")


def test_a_failure_in_a_stream_is_told_as_an_event(connect: Connect) -> None:
    app = create_app(Assistant(Failing(), Reviewer()))

    async def go() -> None:
        async with connect(app) as client:
            stream = await openai_client(client).chat.completions.create(model="gatllm", messages=ASK, stream=True)
            with pytest.raises(openai.APIError, match="unexpected RuntimeError") as caught:
                _ = [chunk async for chunk in stream]
            assert "secret" not in str(caught.value)
            response = await client.post("/v1/chat/completions", json={"model": "gatllm", "messages": ASK})
            assert response.status_code == 500
            assert response.json()["error"]["type"] == "server_error"
            assert "secret" not in response.text

    run(go())


PATHS: list[tuple[str, str, int]] = [
    ("GET", "/nowhere", 404),
    ("DELETE", "/v1/models", 405),
    ("GET", "/v1/chat/completions", 405),
    ("POST", "/v1/chat/completions", 400),
    ("GET", "/static/nothing.js", 404),
]


@pytest.mark.parametrize(("method", "path", "status"), PATHS)
def test_every_path_fails_in_the_same_shape(
    app: FastAPI, connect: Connect, method: str, path: str, status: int
) -> None:
    async def go() -> None:
        async with connect(app) as client:
            response = await client.request(method, path, content=b"{" if method == "POST" else None)
        assert response.status_code == status
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}

    run(go())


def test_a_huge_body_is_refused_in_the_same_shape(app: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        async with connect(app) as client:
            body = {"model": "gatllm", "messages": [{"role": "user", "content": "x" * (3 << 20)}]}
            response = await client.post("/v1/chat/completions", json=body)
        assert response.status_code == 413
        assert response.json()["error"]["type"] == "invalid_request_error"

    run(go())


def test_several_answers_share_one_prompt_which_is_counted_once(connect: Connect) -> None:
    app = create_app(Assistant(FakeGenerator("one two", "three four five"), Reviewer()))
    one = create_app(Assistant(FakeGenerator("one two"), Reviewer()))

    async def usage(app: FastAPI, n: int, stream: bool) -> dict[str, int]:
        async with connect(app) as client:
            body = {"model": "gatllm", "messages": ASK, "n": n, "stream": stream}
            options = {"stream_options": {"include_usage": True}} if stream else {}
            response = await client.post("/v1/chat/completions", json=body | options)
        if not stream:
            return dict(response.json()["usage"])
        lines = [line for line in response.text.splitlines() if line.startswith("data: {")]
        return dict(json.loads(lines[-1][6:])["usage"])

    async def go() -> None:
        alone = await usage(one, 1, False)
        for stream in (False, True):
            both = await usage(app, 2, stream)
            assert both["prompt_tokens"] == alone["prompt_tokens"]
            assert both["completion_tokens"] >= 5
            assert both["total_tokens"] == both["prompt_tokens"] + both["completion_tokens"]

    run(go())
