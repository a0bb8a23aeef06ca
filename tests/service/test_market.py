"""The account pages: who has not paid is refused with the reason, sessions end, who owns unlocks."""

# ruff: noqa: F811  # fixtures are imported by name

from __future__ import annotations

import time
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gatllm.answering import Assistant, FakeGenerator
from gatllm.errors import GatllmError, VerificationError
from gatllm.market import Chain, ChainUnavailableError, Devnet, request_key
from gatllm.proof import Key
from gatllm.review import Reviewer
from gatllm.service import create_app
from gatllm.service.market import Market
from gatllm.service.pages import market as pages
from tests.service.markets import (  # noqa: F401  # fixtures
    Keys,
    app,
    base,
    client,
    deployment,
    devnet,
    market,
    minted,
    new_key,
    owner,
    send,
    served,
    session,
)


def test_a_subscription_gates_the_answers(client: TestClient, devnet: Devnet, new_key: Keys) -> None:
    key = new_key()

    def ask(token: str) -> Any:
        question = {"model": "gatllm", "messages": [{"role": "user", "content": "Hi"}]}
        return client.post("/v1/chat/completions", json=question, headers={"authorization": f"Bearer {token}"})

    assert ask("").status_code == ask("a.b").status_code == 401
    token = session(client, key)
    assert ask(token[:-2] + "xx").status_code == 401
    refused = ask(token)
    assert refused.status_code == 402
    assert "0.003 ETH a month" in refused.json()["error"]["message"]
    prepared = client.post("/market/subscribe/prepare", json={"address": key.address, "months": 2}).json()
    assert prepared.pop("chain_id") == 31337
    send(devnet, key, prepared)
    assert ask(token).json()["choices"][0]["message"]["content"] == "Hello."
    assert client.get("/market/status", params={"address": key.address}).json()["paid_until"] > time.time()


def test_only_what_was_paid_is_remembered(
    market: Market, devnet: Devnet, new_key: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gatllm.service import market as module

    for number in range(20):  # anybody may ask about any address
        assert market.paid_until(Chain.checksum(f"0x{number:040x}")) == 0
    assert not market._paid
    monkeypatch.setattr(module, "_REMEMBERED", 2)
    keys = [new_key() for _ in range(4)]
    for key in keys:
        send(devnet, key, market.subscriptions.prepare(key.address, 1))
        assert market.paid_until(key.address) > time.time()
    assert list(market._paid) == [key.address for key in keys[-2:]]
    market._paid[keys[-1].address] = 1  # ran out
    assert market.paid_until(keys[-1].address) > time.time()
    assert market.paid_until(keys[0].address) > time.time()


def test_a_session_is_not_forged_and_ends(market: Market, app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    token = market.sessions.open("0xabc")
    assert market.sessions.address(token) == "0xabc"
    for bad in ("", ".", "a.b", token + "a", "gat-none", "é.é"):
        assert market.sessions.address(bad) is None
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 31 * 24 * 3600)
    assert market.sessions.address(token) is None


def test_the_client_unlocks_through_the_service(
    served: str,
    market: Market,
    devnet: Devnet,
    client: TestClient,
    new_key: Keys,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key, stranger = new_key(), new_key()
    client.headers["authorization"] = f"Bearer {session(client, key)}"
    root = minted(client, market, devnet, key)
    assert request_key(served, root, Chain(devnet.url, key)) == market.vault.get(root)
    with pytest.raises(GatllmError, match="does not own"):
        request_key(served, root, Chain(devnet.url, stranger))
    with pytest.raises(GatllmError, match="not kept here"):
        request_key(served, "ab" * 32, Chain(devnet.url, key))
    # The challenge names the host that was asked, whichever of its names that is; another's is not signed.
    assert request_key(served.replace("127.0.0.1", "localhost"), root, Chain(devnet.url, key))
    monkeypatch.setattr(pages, "site_of", lambda request: "https://evil.example")
    with pytest.raises(VerificationError, match="something else"):
        request_key(served, root, Chain(devnet.url, key))


def test_people_with_a_page_are_led_to_where_they_can_pay(client: TestClient) -> None:
    form = {"prompt": "Hi"}
    page = client.post("/chat", data=form, headers={"accept": "text/html"}, follow_redirects=False)
    assert page.status_code == 401
    assert "sign in with a wallet first" in page.text
    assert ">Hi</textarea>" in page.text  # what was typed is not lost
    told = client.post("/chat", data=form, headers={"hx-request": "true"})
    assert 'hx-target="#problem"' in told.text
    assert '<a href="/market">Pay, or sign in' in told.text
    assert "#field" not in told.text
    assert '<a href="/market">' in client.get("/").text
    page = client.get("/market")
    nonce = page.headers["content-security-policy"].partition("'nonce-")[2].partition("'")[0]
    assert f'nonce="{nonce}"' in page.text


def test_free_questions_are_counted_by_wallet_and_month(market: Market, new_key: Keys) -> None:
    app = create_app(Assistant(FakeGenerator("Hello."), Reviewer()), market=market, paid=True, free=2)
    ask = {"model": "gatllm", "messages": [{"role": "user", "content": "Hi"}]}
    with TestClient(app, base_url="http://localhost") as client:
        assert client.post("/v1/chat/completions", json=ask).status_code == 401
        client.headers["authorization"] = f"Bearer {session(client, new_key())}"
        answers = [client.post("/v1/chat/completions", json=ask) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 402]
        assert "the 2 free questions of this month are used up" in answers[2].json()["error"]["message"]
        client.headers["authorization"] = f"Bearer {session(client, new_key())}"
        assert client.post("/v1/chat/completions", json=ask).status_code == 200


def test_receipts_and_the_end_of_a_subscription_are_on_the_account_page(
    client: TestClient, market: Market, devnet: Devnet, new_key: Keys
) -> None:
    key = new_key()
    client.headers["authorization"] = f"Bearer {session(client, key)}"
    assert "Not paid." in client.get("/account").text
    asked = {"address": key.address, "months": 2}
    sent = client.post("/market/subscribe/prepare", json=asked).json()
    send(devnet, key, {name: sent[name] for name in ("from", "to", "data", "value")})
    page = client.get("/account").text
    assert "Paid until" in page
    [payment] = market.subscriptions.payments(key.address)
    assert (payment.months, payment.paid) == (2, 2 * market.subscriptions.price())
    assert payment.transaction[:18] in page
    assert market.subscriptions.payments(new_key().address) == []


def test_only_the_contracts_owner_changes_the_price(
    client: TestClient, market: Market, owner: Chain, new_key: Keys
) -> None:
    client.headers["authorization"] = f"Bearer {session(client, new_key())}"
    refused = client.post("/market/price/prepare", json={"price": "0.001"})
    assert refused.status_code == 403
    assert "Change it" not in client.get("/market").text
    client.headers["authorization"] = f"Bearer {session(client, Key(owner.account))}"  # type: ignore[arg-type]
    assert "Change it" in client.get("/market").text
    for price in ("0", "-1", "much", "nan", "1e40", "0.0000000000000000001"):
        assert client.post("/market/price/prepare", json={"price": price}).status_code == 400, price
    prepared = client.post("/market/price/prepare", json={"price": "0.001"}).json()
    assert prepared["to"] == market.subscriptions.contract.address
    assert prepared["from"] == owner.address


def test_without_its_chain_the_market_says_so_and_answers_go_on(
    client: TestClient, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise ChainUnavailableError("the chain does not answer", "try again in a moment")

    assert "gatllm_chain_up 1" in client.get("/metrics").text
    for name in ("head", "timestamp", "confirmed_block", "read"):
        monkeypatch.setattr(market.tokens.chain, name, gone)
    for path in ("/market/status", "/market", "/datasets"):
        answer = client.get(path, headers={"accept": "text/html"})
        assert (answer.status_code, "the chain does not answer" in answer.text) == (503, True), path
        assert "<html" in answer.text
    assert client.get("/market/status").json()["error"]["type"] != "invalid_request_error"
    assert "gatllm_chain_up 0" in client.get("/metrics").text
    assert client.get("/requests").status_code == 200
