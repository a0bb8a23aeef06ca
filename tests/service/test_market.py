"""The market's pages: who has not paid is refused, who owns unlocks, and a browser's wallet pays and mints."""

# ruff: noqa: F811  # the fixtures of the market's tests are imported by name

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account.messages import encode_defunct
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gatllm.answering import Assistant, FakeGenerator
from gatllm.data import DatasetWriter
from gatllm.errors import GatllmError, VerificationError
from gatllm.market import (
    Chain,
    DatasetTokens,
    Deployment,
    Devnet,
    KeyVault,
    LocalStore,
    SignIn,
    Subscriptions,
    request_key,
)
from gatllm.proof import Key
from gatllm.records import new_folder, sha256
from gatllm.review import Reviewer
from gatllm.service import create_app
from gatllm.service.market import Market
from tests.market.conftest import deployment, devnet, new_key, owner  # noqa: F401  # fixtures

Keys = Callable[[], Key]


@pytest.fixture
def base() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def market(devnet: Devnet, deployment: Deployment, tmp_path: Path, base: str) -> Market:
    reader = Chain(devnet.url)
    domain = base.removeprefix("http://")
    return Market(
        tokens=DatasetTokens(reader, deployment),
        subscriptions=Subscriptions(reader, deployment),
        vault=KeyVault(tmp_path / "keys"),
        signin=SignIn(tmp_path / "nonces", domain=domain, uri=f"{base}/market", chain_id=reader.chain_id),
        store=LocalStore(tmp_path / "store"),
        deployment=deployment,
        state_dir=tmp_path / "market",
    )


def _contribute(market: Market, owner: str, *, sealed: bool = True, text: str = "") -> str:
    """What an upload and its check leave behind; each is another dataset, unless the text is given."""
    made = market.contributions.create(owner, title="Mine", description="By me.", sealed=sealed)
    with new_folder(market.contributions.path(made) / "dataset") as partial:
        writer = DatasetWriter(partial, kind="positive", name="tiny")
        text = text or f"x = {time.time_ns()}\n"
        digest = sha256(text.encode())
        writer.add({"id": digest[:16], "text": text, "sha256": digest, "licence": "MIT", "origin": "x.py"})
        writer.finish()
    market.contributions.change(made, "uploading", state="checked")
    return made.id


@pytest.fixture
def app(market: Market) -> FastAPI:
    return create_app(Assistant(FakeGenerator("Hello."), Reviewer()), market=market, paid=True)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://localhost") as made:
        yield made


def _sign(key: Key, message: str) -> str:
    return "0x" + bytes(key.account.sign_message(encode_defunct(text=message)).signature).hex()


def _session(client: TestClient, key: Key) -> str:
    message = client.post("/market/session/challenge", json={"address": key.address}).json()["message"]
    answer = client.post("/market/session", json={"message": message, "signature": _sign(key, message)})
    assert answer.status_code == 200, answer.text
    client.cookies.clear()
    return str(answer.json()["token"])


def _send(devnet: Devnet, key: Key, transaction: dict[str, str]) -> None:
    """What a wallet does."""
    web3 = Chain(devnet.url).web3
    fields: dict[str, Any] = {
        **transaction,
        "value": int(transaction["value"], 16),
        "nonce": web3.eth.get_transaction_count(Chain.checksum(key.address)),
        "chainId": 31337,
        "gas": 500_000,
        "maxFeePerGas": 10**11,
        "maxPriorityFeePerGas": 10**9,
    }
    del fields["from"]
    receipt = web3.eth.wait_for_transaction_receipt(
        web3.eth.send_raw_transaction(key.account.sign_transaction(fields).raw_transaction)
    )
    assert receipt["status"] == 1


def test_a_subscription_gates_the_answers(client: TestClient, devnet: Devnet, new_key: Keys) -> None:
    key = new_key()

    def ask(token: str) -> Any:
        question = {"model": "gatllm", "messages": [{"role": "user", "content": "Hi"}]}
        return client.post("/v1/chat/completions", json=question, headers={"authorization": f"Bearer {token}"})

    assert ask("").status_code == ask("a.b").status_code == 401
    token = _session(client, key)
    assert ask(token[:-2] + "xx").status_code == 401
    refused = ask(token)
    assert refused.status_code == 402
    assert "0.003 ETH a month" in refused.json()["error"]["message"]
    prepared = client.post("/market/subscribe/prepare", json={"address": key.address, "months": 2}).json()
    assert prepared.pop("chain_id") == 31337
    _send(devnet, key, prepared)
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
        _send(devnet, key, market.subscriptions.prepare(key.address, 1))
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


def test_a_wallet_mints_what_the_server_prepared(
    client: TestClient,
    market: Market,
    devnet: Devnet,
    new_key: Keys,
) -> None:
    key = new_key()
    mine = {"contribution": _contribute(market, key.address), "address": key.address}
    assert client.post("/market/mint/prepare", json=mine).status_code == 403  # not signed in
    client.headers["authorization"] = f"Bearer {_session(client, new_key())}"
    assert client.post("/market/mint/prepare", json=mine).status_code == 403  # somebody else
    client.headers["authorization"] = f"Bearer {_session(client, key)}"
    prepared = client.post("/market/mint/prepare", json=mine).json()
    _send(devnet, key, prepared["commit"])
    again = client.post("/market/mint/prepare", json=mine).json()
    assert again["commit"] is None
    _send(devnet, key, again["mint"])
    assert market.tokens.owner_of(prepared["token"]) == key.address
    refused = client.post("/market/mint/prepare", json=mine)
    assert refused.status_code == 400
    assert "minted this dataset already" in refused.json()["error"]["message"]
    assert client.post("/market/mint/prepare", json=mine | {"contribution": "../secret"}).status_code == 404
    assert client.post("/market/mint/prepare", json=mine | {"address": "me"}).status_code == 403


def test_a_stranger_neither_publishes_nor_names_nor_mints_anothers(
    client: TestClient, market: Market, devnet: Devnet, new_key: Keys
) -> None:
    """With an account of their own, signed in, and knowing the contribution's name."""
    owner, stranger = new_key(), new_key()
    name = _contribute(market, owner.address)
    before = _files(market)
    client.headers["authorization"] = f"Bearer {_session(client, stranger)}"
    for address in (stranger.address, owner.address):
        asked = {"contribution": name, "address": address}
        assert client.post("/market/mint/prepare", json=asked).status_code in (403, 404)
        for more in ({"sealed": False}, {"name": "Mine now"}, {"dataset": "tiny"}):
            assert client.post("/market/mint/prepare", json=asked | more).status_code == 400
    assert client.get("/market/status").json()["contributions"] == []
    assert _files(market) == before, "nothing was written for a stranger"
    # Nor does the stranger's mint of the same data, earlier, keep the contributor from theirs.
    text = (market.contributions.folder / name / "dataset").glob("shards/*")
    same = json.loads(next(text).read_text().splitlines()[0])["text"]
    theirs = {"contribution": _contribute(market, stranger.address, text=same), "address": stranger.address}
    prepared = client.post("/market/mint/prepare", json=theirs).json()
    for step in ("commit", "mint"):
        _send(devnet, stranger, prepared[step])
    client.headers["authorization"] = f"Bearer {_session(client, owner)}"
    prepared = client.post("/market/mint/prepare", json={"contribution": name, "address": owner.address}).json()
    for step in ("commit", "mint"):
        _send(devnet, owner, prepared[step])
    assert market.tokens.owner_of(prepared["token"]) == owner.address


def test_sealed_content_is_nowhere_in_plain(client: TestClient, market: Market, new_key: Keys) -> None:
    key = new_key()
    secret = f"# a secret that nobody guesses, {time.time_ns()}\n"
    name = _contribute(market, key.address, text=secret)
    client.headers["authorization"] = f"Bearer {_session(client, key)}"
    prepared = client.post("/market/mint/prepare", json={"contribution": name, "address": key.address}).json()
    assert "commit" in prepared
    plain = LocalStore(market.state_dir / "elsewhere").add(market.contributions.folder / name / "dataset")
    store = market.store
    assert isinstance(store, LocalStore)
    for path in store.folder.iterdir():
        assert secret.encode() not in path.read_bytes()
        assert str(plain).encode() not in path.read_bytes(), "public metadata name where the plaintext would lie"
        assert plain.digest not in path.read_bytes()


def _files(market: Market) -> dict[str, bytes]:
    roots = [market.state_dir, market.vault.folder, getattr(market.store, "folder", market.state_dir)]
    return {str(path): path.read_bytes() for root in roots for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def served(app: FastAPI, base: str) -> Iterator[str]:
    """The app on a real port."""
    import uvicorn

    port = int(base.rsplit(":", 1)[1])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield base
    server.should_exit = True
    thread.join()


def test_the_client_unlocks_through_the_service(
    served: str,
    market: Market,
    devnet: Devnet,
    client: TestClient,
    new_key: Keys,
) -> None:
    key, stranger = new_key(), new_key()
    wish = {"contribution": _contribute(market, key.address), "address": key.address}
    client.headers["authorization"] = f"Bearer {_session(client, key)}"
    prepared = client.post("/market/mint/prepare", json=wish).json()
    for name in ("commit", "mint"):
        _send(devnet, key, prepared[name])
    root = prepared["token"]
    assert request_key(served, root, Chain(devnet.url, key)) == market.vault.get(root)
    with pytest.raises(GatllmError, match="does not own"):
        request_key(served, root, Chain(devnet.url, stranger))
    with pytest.raises(GatllmError, match="not kept here"):
        request_key(served, "ab" * 32, Chain(devnet.url, key))
    with pytest.raises(VerificationError, match="something else"):  # the challenge names another site
        request_key(served.replace("127.0.0.1", "localhost"), root, Chain(devnet.url, key))


_WALLET = """
const provider = { request: async ({ method, params }) => {
  const { value, code } = await window.__wallet(method, params ?? []);
  if (code) throw Object.assign(new Error('refused'), { code });
  return value;
} };
const announce = () => window.dispatchEvent(new CustomEvent('eip6963:announceProvider', {
  detail: Object.freeze({ info: { uuid: '1', name: 'Test Wallet', icon: '', rdns: 'io.metamask' }, provider }) }));
window.addEventListener('eip6963:requestProvider', announce);
announce();
"""


def test_a_browsers_wallet_signs_in_pays_and_mints(
    served: str,
    market: Market,
    devnet: Devnet,
    new_key: Keys,
) -> None:
    import shutil

    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium")
    key = new_key()
    _contribute(market, key.address)
    refusals = ["eth_requestAccounts"]

    def wallet(method: str, params: list[Any]) -> dict[str, Any]:
        if method in refusals:
            refusals.remove(method)
            return {"code": 4001}
        if method == "eth_requestAccounts":
            return {"value": [key.address]}
        if method == "personal_sign":
            return {"value": _sign(key, bytes.fromhex(params[0][2:]).decode())}
        if method == "eth_sendTransaction":
            devnet.rpc("anvil_impersonateAccount", key.address)
        return {"value": devnet.rpc(method, *params)}

    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.expose_function("__wallet", wallet)
        page.add_init_script(_WALLET)
        page.goto(f"{served}/market")
        page.get_by_role("button", name="Connect Test Wallet").click()
        playwright.expect(page.locator("#message")).to_contain_text("You declined")
        page.get_by_role("button", name="Connect Test Wallet").click()
        playwright.expect(page.locator("#account")).to_contain_text(key.address)
        page.get_by_role("button", name="Pay").click()
        playwright.expect(page.locator("#message")).to_contain_text("Paid.", timeout=15_000)
        playwright.expect(page.locator("#paid")).to_contain_text("paid until")
        page.get_by_role("button", name="Mint").click()
        playwright.expect(page.locator("#message")).to_contain_text("Minted: token", timeout=15_000)
        root = str(page.locator("#message").text_content()).split()[-1]
        browser.close()
    assert market.tokens.owner_of(root) == key.address
    assert market.subscriptions.is_active(key.address)


def test_people_with_a_page_are_led_to_where_they_can_pay(client: TestClient) -> None:
    form = {"prompt": "Hi"}
    led = client.post("/chat", data=form, headers={"accept": "text/html"}, follow_redirects=False)
    assert (led.status_code, led.headers["location"]) == (303, "/market")
    assert client.post("/chat", data=form, headers={"hx-request": "true"}).headers["hx-redirect"] == "/market"
    assert '<a href="/market">' in client.get("/").text
    page = client.get("/market")
    nonce = page.headers["content-security-policy"].partition("'nonce-")[2].partition("'")[0]
    assert f'nonce="{nonce}"' in page.text
