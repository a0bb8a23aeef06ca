"""The clients that people have: openai with tools, litellm, llm; and gatllm in front of another engine."""

import asyncio
import importlib.util
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from gatllm.answering import Assistant
from gatllm.answering.generators import load_generator
from gatllm.errors import GatllmError
from gatllm.models import ChatOptions, ContextOverflowError
from gatllm.review import Reviewer
from gatllm.service import create_app, listen
from tests.service.conftest import REPAIRED, REPLY, Connect
from tests.service.test_openai_api import openai_client
from tests.service.test_other_endpoints import Embedding

ASK: list[Any] = [{"role": "user", "content": "double a number"}]


@pytest.fixture
def engine() -> Iterator[str]:
    """A server whose generator writes code with a mistake, unreviewed at /v1/completions, reviewed elsewhere."""
    app = create_app(Assistant(Embedding(REPLY, context=2000), Reviewer()))
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]))
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    server.should_exit = True
    thread.join()
    listener.close()


def test_an_agent_with_tools_gets_words(app: FastAPI, connect: Connect) -> None:
    tools: list[Any] = [{"type": "function", "function": {"name": "ls", "parameters": {"type": "object"}}}]

    async def go() -> None:
        async with connect(app) as client:
            ours = openai_client(client)
            answer = await ours.chat.completions.create(model="gatllm", messages=ASK, tools=tools, tool_choice="auto")
            message = answer.choices[0].message
            assert (message.content, message.tool_calls) == (REPAIRED, None)
            again: list[Any] = [*ASK, message.model_dump(exclude_none=True), {"role": "user", "content": "thanks"}]
            assert (await ours.chat.completions.create(model="gatllm", messages=again, tools=tools)).choices

    asyncio.run(go())


@pytest.mark.skipif(importlib.util.find_spec("litellm") is None, reason="litellm is not installed")
@pytest.mark.filterwarnings("ignore")
def test_litellm(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    asked = {"model": "openai/gatllm", "api_base": engine, "api_key": "none", "messages": ASK}
    assert litellm.completion(**asked).choices[0].message.content == REPAIRED
    streamed = litellm.completion(**asked, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed) == REPAIRED


@pytest.mark.skipif(importlib.util.find_spec("llm") is None, reason="llm is not installed")
@pytest.mark.filterwarnings("ignore")
def test_llm(engine: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    (tmp_path / "extra-openai-models.yaml").write_text(
        f"- model_id: ours\n  model_name: gatllm\n  api_base: {engine}\n  api_key_name: none\n"
    )
    import llm

    assert llm.get_model("ours").prompt("double a number", key="none").text() == REPAIRED


def test_gatllm_reviews_what_another_engine_writes(engine: str, connect: Connect) -> None:
    remote = load_generator(engine)
    assert (remote.name, remote.context) == ("gatllm", 2000)
    front = create_app(Assistant(remote, Reviewer()), openness="public")
    key = front.state.parts.accounts.new_key(front.state.parts.accounts.add_user("ann", "correct horse"), "editor")

    async def go() -> None:
        async with connect(front) as client:
            ours = openai_client(client).with_options(api_key=key)
            answer = await ours.chat.completions.create(model="gatllm", messages=ASK)
            assert answer.choices[0].message.content == REPAIRED
            embedded = await ours.embeddings.create(model="gatllm", input=["a", "bb"], encoding_format="float")
            assert [one.embedding for one in embedded.data] == [[0.125, -0.5], [0.25, -0.5]]
            text = await ours.completions.create(model="gatllm", prompt="x", max_tokens=2)
            assert text.choices[0].text == "Here it "
        [used] = front.state.parts.usage.of(front.state.parts.accounts.find("user", "ann").id)
        assert used.requests == 3
        assert used.completion_tokens > 0

    asyncio.run(go())


def test_an_engine_that_is_not_there_or_no_engine_is_one_clear_line(engine: str) -> None:
    with pytest.raises(GatllmError, match="does not answer"):
        load_generator("http://127.0.0.1:9/v1")
    with pytest.raises(GatllmError, match="has no model 'other'"):
        load_generator(f"{engine}#other")
    with pytest.raises(GatllmError, match=r"refused|speak OpenAI"):
        load_generator(engine.replace("/v1", "/static"))
    remote = load_generator(engine)
    with pytest.raises(ContextOverflowError):
        list(remote.stream([{"role": "user", "content": "word " * 3000}], ChatOptions()))


def test_an_engine_that_breaks_off_is_told() -> None:
    from gatllm.models.remote import RemoteGenerator

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/models"):
            return httpx.Response(200, json={"data": [{"id": "m", "meta": {"n_ctx_train": 99}}]})
        lines = 'data: {"choices": [{"delta": {"content": "a"}}]}\n\ndata: {"error": {"message": "out of memory"}}\n\n'
        return httpx.Response(200, text=lines)

    remote = RemoteGenerator("http://x", client=httpx.Client(transport=httpx.MockTransport(answer)))
    assert remote.context == 99
    pieces = remote.stream([{"role": "user", "content": "x"}], ChatOptions())
    assert next(pieces) == "a"
    with pytest.raises(GatllmError, match="out of memory"):
        next(pieces)
