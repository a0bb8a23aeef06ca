"""What clients, agents and editors send without meaning harm is taken; the wire is as they expect it."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from gatllm.answering import Assistant, FakeGenerator
from gatllm.review import Reviewer
from gatllm.service import create_app
from tests.service.conftest import REPAIRED, REPLY, Connect

USER = {"role": "user", "content": "double a number"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "ls", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "ls", "description": "", "parameters": {"type": "object"}}}

TAKEN: dict[str, dict[str, Any]] = {
    "null content with a tool call": {
        "messages": [
            USER,
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "a.py"},
        ]
    },
    "content parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]},
    "empty parts": {"messages": [{"role": "system", "content": []}, USER]},
    "developer": {"messages": [{"role": "developer", "content": "Be brief."}, USER]},
    "system only": {"messages": [{"role": "system", "content": "You speak Dutch."}]},
    "assistant last": {"messages": [USER, {"role": "assistant", "content": "def"}]},
    "system last": {"messages": [USER, {"role": "system", "content": "Be brief."}]},
    "refusal": {"messages": [USER, {"role": "assistant", "content": None, "refusal": "no"}, USER]},
    "name": {"messages": [USER | {"name": "ann"}]},
    "tools": {"tools": [TOOL], "tool_choice": "auto", "parallel_tool_calls": True},
    "no tools": {"tools": [], "tool_choice": "none"},
    "functions": {"functions": [TOOL["function"]], "function_call": "auto"},
    "nulls": dict.fromkeys(("stop", "seed", "n", "user", "stream", "stream_options", "max_tokens", "tools")),
    "sampling": {"top_p": 0, "frequency_penalty": 1, "presence_penalty": -1, "logit_bias": {"50256": -100}},
    "logprobs": {"logprobs": True, "top_logprobs": 3},
    "accounting": {"store": True, "metadata": {"a": "b"}, "user": "u", "service_tier": "auto", "safety_identifier": "x",
                   "prompt_cache_key": "k"},
    "effort": {"reasoning_effort": "low", "verbosity": "low"},
    "text form": {"response_format": {"type": "text"}, "modalities": ["text"]},
    "empty stop": {"stop": ""},
    "completion tokens": {"max_completion_tokens": 100},
}  # fmt: skip


@pytest.mark.parametrize("change", TAKEN.values(), ids=TAKEN)
def test_what_is_harmless_is_taken(app: FastAPI, connect: Connect, change: dict[str, Any]) -> None:
    async def go() -> None:
        async with connect(app) as client:
            response = await client.post("/v1/chat/completions", json={"model": "gatllm", "messages": [USER]} | change)
        assert response.status_code == 200, response.text
        assert response.json()["choices"][0]["message"]["content"] == REPAIRED

    asyncio.run(go())


def test_an_answer_tells_what_had_no_effect(app: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        async with connect(app) as client:
            body = {"model": "gatllm", "messages": [USER], "tools": [TOOL], "presence_penalty": 1, "logprobs": False}
            response = await client.post("/v1/chat/completions", json=body)
        assert response.json()["gatllm"]["unused"] == ["tools", "presence_penalty"]

    asyncio.run(go())


def test_tool_results_and_a_prefill_reach_the_generator(connect: Connect) -> None:
    generator = FakeGenerator(REPLY)
    app = create_app(Assistant(generator, Reviewer()))

    async def go() -> None:
        async with connect(app) as client:
            for change in (TAKEN["null content with a tool call"], TAKEN["assistant last"], TAKEN["system only"]):
                await client.post("/v1/chat/completions", json={"model": "gatllm"} | change)

    asyncio.run(go())
    tool, prefill, system = ([(turn["role"], turn["content"]) for turn in asked] for asked in generator.asked)
    assert tool[-2:] == [("assistant", "(I called ls with {}.)"), ("user", "Result of call_1:\na.py")]
    assert prefill[-2:] == [("assistant", "def"), ("user", "Go on from where your last message ends.")]
    assert system[-1] == ("user", "You speak Dutch.")


@pytest.mark.parametrize("change", [{"max_tokens": 5}, {"stop": ["return"]}])
def test_what_was_cut_off_is_not_repaired(connect: Connect, change: dict[str, Any]) -> None:
    class Stops(FakeGenerator):
        """Ends at stop strings, as real generators do."""

        def stream(self, messages: Any, options: Any) -> Any:
            from dataclasses import replace

            whole = super().stream(messages, replace(options, max_new_tokens=options.max_new_tokens))
            said = ""
            for piece in whole:
                if isinstance(piece, str) and any(stop in said + piece for stop in options.stop):
                    kept = piece.split(options.stop[0])[0]
                    yield kept
                    from gatllm.models import Completion

                    yield Completion(said + kept, "stop", 1, 1)
                    return
                said += piece if isinstance(piece, str) else ""
                yield piece

    app = create_app(Assistant(Stops("```python\ndef double(x:\n    y = [x, x\n    return y\n```"), Reviewer()))

    async def go() -> None:
        async with connect(app) as client:
            response = await client.post("/v1/chat/completions", json={"model": "gatllm", "messages": [USER]} | change)
        [choice] = response.json()["choices"]
        assert "def double(x:\n" in choice["message"]["content"]  # as it was written
        assert choice["gatllm"]["verdict"] == "unchecked"
        assert choice["gatllm"]["edits"] == []

    asyncio.run(go())


def test_heads_slashes_and_pages_that_are_not_there(app: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        async with connect(app) as client:
            for path in ("/", "/v1/models", "/healthz", "/static/style.css"):
                head, get = await client.head(path), await client.get(path)
                assert (head.status_code, head.content) == (200, b"")
                assert head.headers["content-type"] == get.headers["content-type"]
            assert (await client.get("/v1/models/")).json()["object"] == "list"
            body = {"model": "gatllm", "messages": [USER]}
            assert (await client.post("/v1/chat/completions/", json=body)).status_code == 200
            page = await client.get("/nowhere", headers={"accept": "text/html"})
            assert page.status_code == 404
            assert "There is no such page" in page.text
            assert (await client.get("/nowhere")).json()["error"]["message"] == "Invalid URL (GET /nowhere)"

    asyncio.run(go())


def test_pages_of_listed_sites_may_use_the_api_and_nothing_else(connect: Connect) -> None:
    app = create_app(Assistant(FakeGenerator(REPLY), Reviewer()), origins=["https://editor.example"])
    body = {"model": "gatllm", "messages": [USER]}

    async def go() -> None:
        async with connect(app) as client:
            ours, other = {"origin": "https://editor.example"}, {"origin": "https://evil.example"}
            ask = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
            preflight = await client.options("/v1/chat/completions", headers=ours | ask)
            assert preflight.headers["access-control-allow-origin"] == "https://editor.example"
            answer = await client.post(
                "/v1/chat/completions", json=body, headers=ours | {"sec-fetch-site": "cross-site"}
            )
            assert answer.status_code == 200
            assert answer.headers["access-control-allow-origin"] == "https://editor.example"
            assert "access-control-allow-credentials" not in answer.headers
            assert (await client.post("/v1/chat/completions", json=body, headers=other)).status_code == 403
            assert (await client.post("/chat", data={"prompt": "x"}, headers=ours)).status_code == 403
            refused = await client.options("/v1/chat/completions", headers=other | ask)
            assert "access-control-allow-origin" not in refused.headers

    asyncio.run(go())


def _texts(response: httpx.Response) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def test_a_model_that_says_half_a_character_breaks_nothing(connect: Connect) -> None:
    app = create_app(Assistant(FakeGenerator("a \ud83d b"), Reviewer()))
    body = {"model": "gatllm", "messages": [USER]}

    async def go() -> None:
        async with connect(app) as client:
            whole = await client.post("/v1/chat/completions", json=body)
            assert whole.json()["choices"][0]["message"]["content"] == "a ? b"
            stream = await client.post("/v1/chat/completions", json=body | {"stream": True})
            deltas = [choice["delta"].get("content", "") for chunk in _texts(stream) for choice in chunk["choices"]]
            assert "".join(deltas) == "a ? b"
            assert (await client.post("/chat", data={"prompt": "x"})).status_code == 303

    asyncio.run(go())
