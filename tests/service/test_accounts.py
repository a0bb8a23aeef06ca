"""Who may do what: keys with OpenAI's client, sessions, roles, rates, and one's own data."""

import asyncio
import json
import re
from typing import Any

import httpx
import openai
import pytest
from fastapi import FastAPI

from gatllm.answering import Assistant, ConfidenceModel, FakeGenerator, Library, Reliability
from gatllm.review import Reviewer
from gatllm.service import create_app
from tests.service.conftest import REPLY, Connect

ASK: list[Any] = [{"role": "user", "content": "double a number"}]


def client_of(client: httpx.AsyncClient, key: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url="http://localhost/v1", api_key=key, http_client=client, max_retries=0)


@pytest.fixture
def private() -> FastAPI:
    app = create_app(Assistant(FakeGenerator(REPLY), Reviewer()), openness="private")
    app.state.parts.accounts.add_user("ann", "correct horse", "operator")
    app.state.parts.accounts.add_user("bob", "correct horse")
    return app


@pytest.fixture
def public() -> FastAPI:
    return create_app(Assistant(FakeGenerator(REPLY), Reviewer()), openness="public")


async def _sign_in(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.post("/account/sign-in", data={"name": name, "password": "correct horse"})
    assert answer.status_code == 303


def test_keys_open_a_private_service_and_are_counted(private: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        async with connect(private) as client:
            with pytest.raises(openai.AuthenticationError, match="didn't provide an API key"):
                await client_of(client, "none").chat.completions.create(model="gatllm", messages=ASK)
            with pytest.raises(openai.AuthenticationError, match="Incorrect API key"):
                await client_of(client, "gat-wrong").chat.completions.create(model="gatllm", messages=ASK)
            await _sign_in(client, "bob")
            page = (await client.post("/account/keys", data={"name": "editor"})).text
            shown = re.search(r"gat-[\w-]{30,}", page)
            assert shown
            again = (await client.get("/account")).text
            assert shown[0] not in again
        async with connect(private) as client:  # without bob's cookie
            ours = client_of(client, shown[0])
            answer = await ours.chat.completions.create(model="gatllm", messages=ASK)
            assert answer.choices
            assert [model.id async for model in ours.models.list()]
        bob = private.state.parts.accounts.find("user", "bob").id
        [used] = private.state.parts.usage.of(bob)
        assert (used.requests, used.completion_tokens) == (1, answer.usage.completion_tokens if answer.usage else 0)
        [key] = private.state.parts.accounts.keys(bob)
        assert used.key_id == key.id
        async with connect(private) as client:
            await _sign_in(client, "bob")
            await client.post("/account/keys/revoke", data={"key": key.id})
            with pytest.raises(openai.AuthenticationError):
                await client_of(client, shown[0]).chat.completions.create(model="gatllm", messages=ASK)

    asyncio.run(go())


def test_a_private_service_shows_nothing_to_strangers(private: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        async with connect(private) as client:
            html = {"accept": "text/html"}
            led = await client.post("/chat", data={"prompt": "x"}, headers=html)
            assert (led.status_code, led.headers["location"]) == (303, "/account")
            assert (await client.post("/chat", data={"prompt": "x"})).status_code == 401
            for path in ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings", "/v1/review"):
                assert (await client.post(path, json={"model": "gatllm", "code": "x"})).status_code in (400, 401)
            assert (await client.get("/operator")).status_code == 401
            assert (await client.get("/account/export")).status_code == 401
            wrong = await client.post("/account/sign-in", data={"name": "ann", "password": "no"})
            assert wrong.status_code == 401
            assert "name or password is wrong" in wrong.text

    asyncio.run(go())


def test_only_the_operator_operates(private: FastAPI, connect: Connect) -> None:
    accounts = private.state.parts.accounts

    async def go() -> None:
        async with connect(private) as client:
            await _sign_in(client, "bob")
            assert (await client.get("/operator")).status_code == 403
            bob = accounts.find("user", "bob").id
            assert (await client.post("/operator/role", data={"account": bob, "role": "operator"})).status_code == 403
            assert (await client.get("/operator/feedback.jsonl")).status_code == 403
        async with connect(private) as client:
            await _sign_in(client, "ann")
            assert "Answering now" in (await client.get("/operator")).text
            await client.post("/operator/role", data={"account": bob, "role": "contributor"})
            assert accounts.find("user", "bob").role == "contributor"
            assert (await client.post("/operator/role", data={"account": bob, "role": "god"})).status_code == 400

    asyncio.run(go())


def test_a_conversation_survives_a_reload_and_strangers_see_nothing(public: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        async with connect(public) as mine, connect(public) as other:
            posted = await mine.post("/chat", data={"prompt": "double"})
            place = posted.headers["location"].split("#")[0]
            for _ in range(210):
                assert (await other.post("/chat", data={"prompt": " "})).status_code == 400
            for _ in range(5):
                await other.post("/chat", data={"prompt": "x"})
            assert "double" in (await mine.get(place)).text
            assert place in (await mine.get("/")).text  # in the side bar
            stranger = await other.get(place)
            assert stranger.status_code == 404
            name = place.rpartition("/")[2]
            assert (await other.post("/chat", data={"prompt": "x", "conversation": name})).status_code == 404
            assert place in (await mine.get("/history", params={"q": "doub"})).text
            assert place not in (await other.get("/history", params={"q": "doub"})).text
            await other.post(f"/chat/{name}/change", data={"remove": "yes"})
            assert (await mine.get(place)).status_code == 200
            await mine.post(f"/chat/{name}/change", data={"title": "Twice"})
            assert "Twice" in (await mine.get("/")).text

    asyncio.run(go())


def test_what_a_visitor_said_becomes_theirs_when_they_sign_in(public: FastAPI, connect: Connect) -> None:
    public.state.parts.accounts.add_user("ann", "correct horse")

    async def go() -> None:
        async with connect(public) as client:
            place = (await client.post("/chat", data={"prompt": "double"})).headers["location"].split("#")[0]
            await _sign_in(client, "ann")
            assert (await client.get(place)).status_code == 200
            taken = (await client.get("/account/export")).json()
            assert taken["account"]["name"] == "ann"
            assert [turn["prompt"] for turn in taken["turns"]] == ["double"]
            sure = await client.post("/account/erase", data={"sure": "erase"})
            assert sure.status_code == 303
            assert (await client.get(place)).status_code == 404
            assert public.state.parts.accounts.find("user", "ann") is None

    asyncio.run(go())


def test_a_key_may_ask_only_so_often(connect: Connect) -> None:
    app = create_app(Assistant(FakeGenerator(REPLY), Reviewer()), openness="public", rate=8)

    async def go() -> None:
        async with connect(app) as client:
            body = {"model": "gatllm", "messages": ASK}
            answers = [await client.post("/v1/chat/completions", json=body) for _ in range(4)]
            assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
            assert int(answers[-1].headers["retry-after"]) > 0
            assert answers[-1].json()["error"]["code"] == "rate_limit_exceeded"

    asyncio.run(go())


def test_only_known_people_move_the_threshold(library: Library, confidence: ConfidenceModel, connect: Connect) -> None:
    reliability = Reliability()
    assistant = Assistant(FakeGenerator(REPLY), Reviewer(), library, confidence=confidence, reliability=reliability)
    app = create_app(assistant, openness="public")
    key = app.state.parts.accounts.new_key(app.state.parts.accounts.add_user("ann", "correct horse"), "editor")
    body = {"model": "gatllm", "messages": ASK}

    async def go() -> None:
        before = reliability.rate("easy")
        async with connect(app) as client:
            for _ in range(5):
                await client.post("/v1/chat/completions", json=body)
                await client.post("/chat", data={"prompt": "double a number"})
            assert reliability.rate("easy") == before
            await client.post("/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"})
            assert reliability.rate("easy") != before

    asyncio.run(go())


def test_gaps_become_requests_for_data(informed: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        async with connect(informed) as client:
            await client.post("/chat", data={"prompt": "Which wine goes with duck? Write to ann.smith@mail.de"})
            page = (await client.get("/requests")).text
            assert "Which wine goes with duck?" in page
            assert "ann.smith" not in page.partition("<main")[2]  # the side bar shows one's own conversations

    asyncio.run(go())


def test_thumbs_are_kept_and_exported_in_the_form_of_training(app: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        async with connect(app) as client:
            place = (await client.post("/chat", data={"prompt": "double"})).headers["location"]
            turn = place.rpartition("turn-")[2]
            answer = await client.post("/chat/feedback", data={"up": turn}, headers={"hx-request": "true"})
            assert 'aria-pressed="true"' in answer.text
            assert (await client.get("/operator/feedback.jsonl")).text == ""
            await client.post("/account/feedback", data={"shares": "yes"})
            [row] = [json.loads(line) for line in (await client.get("/operator/feedback.jsonl")).text.splitlines()]
            assert [message["role"] for message in row["messages"]] == ["user", "assistant"]
            assert (await client.post("/chat/feedback", data={"up": "guessed"})).status_code == 404

    asyncio.run(go())


def test_a_question_can_be_edited_and_answered_anew(connect: Connect) -> None:
    generator = FakeGenerator("one", "two", "three")
    app = create_app(Assistant(generator, Reviewer()))

    async def go() -> None:
        async with connect(app) as client:
            first = (await client.post("/chat", data={"prompt": "first"})).headers["location"]
            place, _, turn = first.partition("#turn-")
            name = place.rpartition("/")[2]
            await client.post("/chat", data={"prompt": "second", "conversation": name})
            editing = (await client.get(place, params={"edit": turn})).text
            assert f'name="again" value="{turn}"' in editing
            assert ">first</textarea>" in editing
            await client.post("/chat", data={"prompt": "first, again", "again": turn, "conversation": name})
            shown = (await client.get(place)).text
            assert "three" in shown
            assert "second" not in shown
            several = await client.post("/chat", data={"prompt": "more", "conversation": name, "answers": "3"})
            assert "Answer 3 of 3" in (await client.get(several.headers["location"])).text

    asyncio.run(go())
    assert [message["content"] for message in generator.asked[2]][1:] == ["first, again"]
