"""The datasets pages: browse, search, sell, buy, unlock, download, give away; and whose each of these is."""

# ruff: noqa: F811  # fixtures are imported by name

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gatllm.data import Dataset
from gatllm.market import Chain, DatasetTokens, Devnet, Gateway, KeyVault, unlock_dataset
from gatllm.proof import Key
from gatllm.service.market import Market
from tests.service.markets import (  # noqa: F401  # fixtures
    Keys,
    Wallet,
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
    sign,
)


def _as(client: TestClient, key: Key) -> None:
    client.headers["authorization"] = f"Bearer {session(client, key)}"


def _offer(client: TestClient, devnet: Devnet, key: Key, token: str, price: str = "0.5") -> Any:
    prepared = client.post(f"/datasets/{token}/offer/prepare", json={"price": price}).json()
    if prepared["approve"]:
        send(devnet, key, prepared["approve"])
    typed = json.dumps(prepared["typed_data"])
    signature = Wallet(devnet, key)("eth_signTypedData_v4", [key.address, typed])["value"]
    signed = {"parameters": prepared["parameters"], "signature": signature}
    return client.post(f"/datasets/{token}/offer", json=signed)


def _download(client: TestClient, key: Key, token: str) -> Any:
    asked = {"token": token, "address": key.address}
    message = client.post("/market/unlock/challenge", json=asked).json()["message"]
    ticket = client.post(f"/datasets/{token}/ticket", json={"message": message, "signature": sign(key, message)})
    if ticket.status_code != 201:
        return ticket
    return client.get(f"/datasets/{token}/download", params=ticket.json())


def test_a_dataset_is_offered_bought_unlocked_and_sold_on(
    client: TestClient, market: Market, devnet: Devnet, new_key: Keys, tmp_path: Path
) -> None:
    seller, buyer = new_key(), new_key()
    _as(client, seller)
    token = minted(client, market, devnet, seller)
    assert "not for sale" in client.get("/datasets").text
    assert _offer(client, devnet, seller, token).json() == {"token": token, "price_wei": str(5 * 10**17)}
    assert "0.5 ETH" in client.get("/datasets", params={"offered": "1"}).text
    assert _download(client, seller, token).status_code == 200
    _as(client, buyer)
    assert _download(client, buyer, token).status_code == 403
    call = client.post(f"/datasets/{token}/buy", json={}).json()
    assert int(call["value"], 16) == 5 * 10**17
    send(devnet, buyer, call)
    assert market.tokens.owner_of(token) == buyer.address
    page = client.get(f"/datasets/{token}").text
    assert "(you)" in page
    assert "Not for sale" in page
    refused = client.post(f"/datasets/{token}/buy", json={})
    assert "not on offer" in refused.json()["error"]["message"]
    # The data are the buyer's now, and the seller's no longer.
    got = _download(client, buyer, token)
    with zipfile.ZipFile(io.BytesIO(got.content)) as archive:
        archive.extractall(tmp_path / "got")
    dataset = Dataset.open(tmp_path / "got" / "dataset")
    dataset.verify()
    assert dataset.manifest.merkle_root == market.tokens.get(token).root
    assert _download(client, seller, token).status_code == 403
    _as(client, seller)
    assert client.post(f"/datasets/{token}/offer/prepare", json={"price": "1"}).status_code == 403
    _as(client, buyer)
    assert _offer(client, devnet, buyer, token, "0.7").status_code == 201
    send(devnet, buyer, client.post(f"/datasets/{token}/offer/cancel", json={}).json())
    assert "Not for sale" in client.get(f"/datasets/{token}").text
    send(devnet, buyer, client.post(f"/datasets/{token}/transfer", json={"to": seller.address}).json())
    assert market.tokens.owner_of(token) == seller.address
    assert client.post(f"/datasets/{token}/transfer", json={"to": seller.address}).status_code == 403
    assert "Datasets you own" not in client.get("/market").text


def test_an_offer_is_the_owners_own(client: TestClient, market: Market, devnet: Devnet, new_key: Keys) -> None:
    seller, stranger = new_key(), new_key()
    _as(client, seller)
    token = minted(client, market, devnet, seller)
    prepared = client.post(f"/datasets/{token}/offer/prepare", json={"price": "1"}).json()
    typed = json.dumps(prepared["typed_data"])
    forged = Wallet(devnet, stranger)("eth_signTypedData_v4", ["", typed])["value"]
    good = Wallet(devnet, seller)("eth_signTypedData_v4", ["", typed])["value"]

    def post(parameters: Any, signature: str) -> Any:
        return client.post(f"/datasets/{token}/offer", json={"parameters": parameters, "signature": signature})

    _as(client, stranger)
    assert "not signed by its seller" in post(prepared["parameters"], forged).json()["error"]["message"]
    cheaper = json.loads(json.dumps(prepared["parameters"]))
    for item in cheaper["consideration"]:
        item["startAmount"] = item["endAmount"] = "1"
    mine = prepared["parameters"] | {"offerer": stranger.address}
    for parameters in (cheaper, mine, {}, [], prepared["parameters"] | {"zone": "0x" + "12" * 20}):
        assert post(parameters, good).status_code == 400
    assert "Not for sale" in client.get(f"/datasets/{token}").text
    for terms in (
        {"price": "0"},
        {"price": "-1"},
        {"price": "x"},
        {"price": "1", "days": 0},
        {"price": "1", "days": 1e9},
    ):
        _as(client, seller)
        assert client.post(f"/datasets/{token}/offer/prepare", json=terms).status_code == 400


def test_a_ticket_is_for_one_download_of_one_dataset(
    client: TestClient, market: Market, devnet: Devnet, new_key: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gatllm.service.pages import datasets

    key = new_key()
    _as(client, key)
    token, other = (minted(client, market, devnet, key) for _ in range(2))

    def ticket() -> dict[str, str]:
        asked = {"token": token, "address": key.address}
        message = client.post("/market/unlock/challenge", json=asked).json()["message"]
        signed = {"message": message, "signature": sign(key, message)}
        made: dict[str, str] = client.post(f"/datasets/{token}/ticket", json=signed).json()
        return made

    one = ticket()
    assert client.get(f"/datasets/{token}/download", params=one).status_code == 200
    assert client.get(f"/datasets/{token}/download", params=one).status_code == 403
    assert client.get(f"/datasets/{other}/download", params=ticket()).status_code == 403
    for name in ("", "x", "../contributions", "..", "."):
        assert client.get(f"/datasets/{token}/download", params={"ticket": name}).status_code == 403
    monkeypatch.setattr(datasets, "_TICKET_SECONDS", -1)
    assert client.get(f"/datasets/{token}/download", params=ticket()).status_code == 403
    # What was signed for one dataset unlocks no other.
    asked = {"token": token, "address": key.address}
    message = client.post("/market/unlock/challenge", json=asked).json()["message"]
    signed = {"message": message, "signature": sign(key, message)}
    assert client.post(f"/datasets/{other}/ticket", json=signed).status_code == 403


def test_browse_and_search(client: TestClient, market: Market, devnet: Devnet, new_key: Keys) -> None:
    key = new_key()
    _as(client, key)
    token = minted(client, market, devnet, key, sealed=False)
    found = market.tokens.get(token)
    for words in (found.root, key.address, "mine mit", f"by me {key.address.lower()}"):
        assert f'href="/datasets/{token}"' in client.get("/datasets", params={"q": words}).text, words
    for params in ({"q": "nothing like that"}, {"q": key.address, "kind": "negative"}, {"q": token, "offered": "1"}):
        assert "Nothing matches." in client.get("/datasets", params=params).text
    assert "&lt;script&gt;" in client.get("/datasets", params={"q": "<script>"}).text
    assert client.get(f"/datasets/{found.root}").status_code == 200  # by its root as well
    assert client.get(f"/datasets/{token}/picture.svg").headers["content-type"] == "image/svg+xml"
    assert client.get("/datasets/12").status_code == client.get("/datasets/" + "ab" * 32).status_code == 404
    assert client.get(f"/datasets/{token}/download").status_code == 200  # open to everybody
    assert "signed in" not in client.get("/market/status").text


def test_a_buyer_needs_nothing_but_the_services_address(
    client: TestClient, served: str, market: Market, devnet: Devnet, new_key: Keys, tmp_path: Path
) -> None:
    """Address book, content and key from the service: what `gatllm market unlock --server` does on a bare machine."""
    from gatllm.market import fetch_deployment

    key = new_key()
    _as(client, key)
    token = minted(client, market, devnet, key)
    chain = Chain(devnet.url, key)
    tokens = DatasetTokens(chain, fetch_deployment(f"{served}/market/deployment", chain.chain_id))
    vault = KeyVault(tmp_path / "vault")
    dataset = unlock_dataset(tokens, token, Gateway(served), vault, tmp_path / "got", key=key, server=served)
    assert dataset.manifest.merkle_root == tokens.get(token).root
    assert vault.get(token) == market.vault.get(token)
    assert client.get("/ipfs/bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4").status_code == 400
    assert client.get("/ipfs/..%2f..%2fsession.key").status_code in (400, 404)
