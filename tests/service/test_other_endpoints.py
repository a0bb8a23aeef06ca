"""Completions, embeddings, responses, review and fix, as OpenAI's client sees them where it has them."""

import asyncio
from typing import Any

import openai
import pytest
from fastapi import FastAPI

from gatllm.answering import Assistant, FakeGenerator
from gatllm.review import Reviewer
from gatllm.service import create_app
from tests.service.conftest import REPAIRED, REPLY, Connect
from tests.service.test_openai_api import openai_client


def test_responses(app: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        async with connect(app) as client:
            ours = openai_client(client)
            made = await ours.responses.create(model="gatllm", input="double a number", instructions="Be brief.")
            assert (made.output_text, made.status) == (REPAIRED, "completed")
            assert made.usage is not None
            assert made.usage.total_tokens > 0
            assert (made.model_extra or {})["gatllm"]["verdict"] == "real"
            said: list[Any] = [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]
            parts = await ours.responses.create(model="gatllm", input=said, max_output_tokens=2)
            assert parts.status == "incomplete"
            with pytest.raises(openai.BadRequestError, match="keeps no responses"):
                await ours.responses.create(model="gatllm", input="x", previous_response_id="resp_1")

    asyncio.run(go())


def test_responses_stream_their_events_in_order(app: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        async with connect(app) as client:
            stream = await openai_client(client).responses.create(model="gatllm", input="double", stream=True)
            events: list[Any] = [event async for event in stream]
        kinds = [event.type.removeprefix("response.") for event in events]
        assert kinds[:4] == ["created", "in_progress", "output_item.added", "content_part.added"]
        assert kinds[-4:] == ["output_text.done", "content_part.done", "output_item.done", "completed"]
        assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == REPAIRED
        assert [event.sequence_number for event in events] == list(range(len(events)))

    asyncio.run(go())


def test_completions_go_on_unreviewed(connect: Connect) -> None:
    app = create_app(Assistant(FakeGenerator("return 2 * x"), Reviewer()))

    async def go() -> None:
        async with connect(app) as client:
            ours = openai_client(client)
            made = await ours.completions.create(model="gatllm", prompt=["def f(x):", "def g(x):"], max_tokens=3, n=2)
            assert [choice.text for choice in made.choices] == ["return 2 * "] * 4
            assert [choice.finish_reason for choice in made.choices] == ["length"] * 4
            echoed = await ours.completions.create(model="gatllm", prompt="def f(x): ", echo=True)
            assert echoed.choices[0].text == "def f(x): return 2 * x"
            stream = await ours.completions.create(model="gatllm", prompt="def f(x):", stream=True)
            chunks: list[Any] = [chunk async for chunk in stream]
            assert "".join(chunk.choices[0].text for chunk in chunks) == "return 2 * x"
            assert chunks[-1].choices[0].finish_reason == "stop"
            with pytest.raises(openai.BadRequestError, match="'suffix' is not supported"):
                await ours.completions.create(model="gatllm", prompt="x", suffix="y")

    asyncio.run(go())


class Embedding(FakeGenerator):
    """Says how long texts are."""

    def embed(self, texts: Any) -> tuple[list[list[float]], int]:
        return [[len(text) / 8, -0.5] for text in texts], 3


def test_embeddings_in_both_encodings(app: FastAPI, connect: Connect) -> None:
    able = create_app(Assistant(Embedding(REPLY), Reviewer()))

    async def go() -> None:
        async with connect(able) as client:
            ours = openai_client(client)
            made = await ours.embeddings.create(model="gatllm", input=["a", "bb"], encoding_format="float")
            packed = await ours.embeddings.create(model="gatllm", input=["a", "bb"])  # it asks for base64 by itself
            assert [one.embedding for one in made.data] == [[0.125, -0.5], [0.25, -0.5]]
            assert [one.embedding for one in packed.data] == [[0.125, -0.5], [0.25, -0.5]]
            assert made.usage.total_tokens == 3
            with pytest.raises(openai.BadRequestError, match="empty string"):
                await ours.embeddings.create(model="gatllm", input="")
        async with connect(app) as client:
            with pytest.raises(openai.BadRequestError, match="gives no embeddings"):
                await openai_client(client).embeddings.create(model="gatllm", input="a")

    asyncio.run(go())


def test_review_and_fix(app: FastAPI, connect: Connect) -> None:
    broken, sound = "def f(x)\n    return x\n", "def f(x):\n    return x\n"

    async def go() -> None:
        async with connect(app) as client:
            found = (await client.post("/v1/review", json={"code": broken})).json()
            assert (found["verdict"], found["findings"][0]["line"]) == ("fake", 1)
            assert (await client.post("/v1/review", json={"code": sound})).json()["findings"] == []
            fixed = (await client.post("/v1/fix", json={"code": broken})).json()
            assert (fixed["code"], fixed["changed"], fixed["edits"][0]["text"]) == (sound, True, ":")
            same = (await client.post("/v1/fix", json={"code": sound})).json()
            assert (same["code"], same["changed"]) == (sound, False)
            assert (await client.post("/v1/fix", json={"code": "x" * 200_001})).status_code == 400
            assert (await client.post("/v1/review", json={})).json()["error"]["code"] == "missing_required_parameter"

    asyncio.run(go())
