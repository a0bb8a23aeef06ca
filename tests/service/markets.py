"""A service with a market on a local chain: fixtures, to be imported by name, and what a wallet does."""

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
from gatllm.market import (
    Chain,
    DatasetTokens,
    Deployment,
    Devnet,
    KeyVault,
    LocalStore,
    SignIn,
    Subscriptions,
    find_seaport,
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
def market(devnet: Devnet, deployment: Deployment, owner: Chain, tmp_path: Path, base: str) -> Market:
    reader = Chain(devnet.url)
    find_seaport(owner, deployment, devnet.folder)
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


def contribute(market: Market, owner: str, *, sealed: bool = True, text: str = "") -> str:
    """What an upload and its check leave behind; each is another dataset, unless the text is given."""
    made = market.contributions.create(owner, title="Mine", description="By me.", sealed=sealed)
    with new_folder(market.contributions.path(made) / "dataset") as partial:
        writer = DatasetWriter(partial, kind="positive", name="tiny")
        text = text or f"x = {time.time_ns()}\n"
        digest = sha256(text.encode())
        writer.add({"id": digest[:16], "text": text, "sha256": digest, "licence": "MIT", "origin": "x.py"})
        manifest = writer.finish()
    market.contributions.change(made, "uploading", state="checked", root=manifest.merkle_root, records=1)
    return made.id


@pytest.fixture
def app(market: Market) -> FastAPI:
    return create_app(Assistant(FakeGenerator("Hello."), Reviewer()), market=market, paid=True)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://localhost") as made:
        yield made


def sign(key: Key, message: str) -> str:
    return "0x" + bytes(key.account.sign_message(encode_defunct(text=message)).signature).hex()


def session(client: TestClient, key: Key) -> str:
    message = client.post("/market/session/challenge", json={"address": key.address}).json()["message"]
    answer = client.post("/market/session", json={"message": message, "signature": sign(key, message)})
    assert answer.status_code == 200, answer.text
    client.cookies.clear()
    return str(answer.json()["token"])


def send(devnet: Devnet, key: Key, transaction: dict[str, str]) -> None:
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


WALLET = """
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


def minted(client: TestClient, market: Market, devnet: Devnet, key: Key, **contribution: Any) -> str:
    """Bring, seal and mint a dataset as the signed-in wallet of ``key``; return the token's id."""
    name = contribute(market, key.address, **contribution)
    access = "sealed" if contribution.get("sealed", True) else "open"
    form = {"title": "Mine", "description": "By me.", "access": access}
    answer = client.post(f"/contribute/{name}/publish", data=form, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    wait_for(client, name)
    prepared = client.post(f"/contribute/{name}/prepare").json()
    for step in ("commit", "mint"):
        send(devnet, key, prepared[step])
    assert "Minted." in client.get(f"/contribute/{name}").text
    return str(prepared["token"])


def wait_for(client: TestClient, name: str) -> None:
    """Wait until a contribution's job is over."""
    for _ in range(2400):
        if "hx-refresh" in client.get(f"/contribute/{name}/job").headers:
            return
        time.sleep(0.05)
    raise AssertionError("the job does not end")


class Wallet:
    """What a browser's wallet does, for one key: answers the page, refuses what it is told to, switches chains."""

    def __init__(self, devnet: Devnet, key: Key) -> None:
        self.devnet = devnet
        self.key = key
        self.refuse: list[str] = []
        self.chain = 31337
        self.added: list[int] = [31337]
        self.asked: list[str] = []

    def __call__(self, method: str, params: list[Any]) -> dict[str, Any]:
        """Answer one request, as EIP-1193 has it."""
        self.asked.append(method)
        if method in self.refuse:
            self.refuse.remove(method)
            return {"code": 4001}
        if method in ("eth_requestAccounts", "eth_accounts"):
            return {"value": [self.key.address.lower()]}
        if method == "eth_chainId":
            return {"value": hex(self.chain)}
        if method in ("wallet_switchEthereumChain", "wallet_addEthereumChain"):
            wanted = int(params[0]["chainId"], 16)
            if method == "wallet_addEthereumChain":
                self.added.append(wanted)
            if wanted not in self.added:
                return {"code": 4902}
            self.chain = wanted
            return {"value": None}
        if method == "personal_sign":
            return {"value": sign(self.key, bytes.fromhex(params[0][2:]).decode())}
        if method == "eth_signTypedData_v4":
            signed = self.key.account.sign_typed_data(full_message=_numbered(json.loads(params[1])))
            return {"value": "0x" + bytes(signed.signature).hex()}
        if method == "eth_sendTransaction":
            self.devnet.rpc("anvil_impersonateAccount", self.key.address)
        return {"value": self.devnet.rpc(method, *params)}


def _numbered(value: Any) -> Any:
    """Return typed data with numbers that came as texts: wallets read both."""
    if isinstance(value, dict):
        return {name: _numbered(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_numbered(item) for item in value]
    return int(value) if isinstance(value, str) and value.isdigit() else value
