"""Transactions: crashes, reorganisations, stuck fees, and one clear line for whatever goes wrong."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gatllm.errors import GatllmError, UsageError
from gatllm.market import Chain, Deployment, Devnet, Policy, Subscriptions, deploy, deploy_quote, load_deployment
from gatllm.market.chain.outbox import Outbox, Outgoing
from gatllm.proof import Key

Keys = Callable[[], Key]
QUICK = Policy(poll=0.02, timeout=0.2)


@pytest.fixture
def quiet(tmp_path_factory: pytest.TempPathFactory, devnet: Devnet) -> Iterator[Devnet]:
    """A chain of its own, whose blocks the test makes itself."""
    with Devnet(tmp_path_factory.mktemp("quiet")) as own:
        deploy(Chain(own.url, own.accounts(1)[0]), own.folder)
        own.rpc("evm_setAutomine", False)
        yield own


def _subscriptions(devnet: Devnet, key: Key, policy: Policy, state_dir: Path | None = None) -> Subscriptions:
    devnet.fund(key.address)
    chain = Chain(devnet.url, key, state_dir=state_dir, policy=policy)
    return Subscriptions(chain, load_deployment(devnet.folder, chain.chain_id))


def _entries(path: Path) -> list[Outgoing]:
    outbox = Outbox(path)
    with outbox.locked():
        return outbox.entries()


def _sent(devnet: Devnet, address: str, block: str = "pending") -> int:
    return int(devnet.rpc("eth_getTransactionCount", address, block), 16)


def test_a_call_that_was_cut_off_is_taken_up_not_sent_twice(quiet: Devnet, new_key: Keys, tmp_path: Path) -> None:
    key = new_key()
    first = _subscriptions(quiet, key, QUICK, tmp_path)
    with pytest.raises(GatllmError, match="taken up, not sent twice"):
        first.subscribe(3)
    # Another process, after a crash: the transaction may be lost to the node, or waiting, or mined.
    quiet.rpc("anvil_dropAllTransactions")
    again = _subscriptions(quiet, key, QUICK, tmp_path)
    with pytest.raises(GatllmError):
        again.subscribe(3)
    quiet.rpc("anvil_mine", "0x1")
    receipt = _subscriptions(quiet, key, QUICK, tmp_path).subscribe(3)
    assert receipt.block == again.chain.head()
    assert _sent(quiet, key.address) == 1
    assert again.paid_until() == again.chain.timestamp() + 90 * 24 * 3600
    # It is final now: the next one is a new one.
    with pytest.raises(GatllmError):
        again.subscribe(3)
    assert _sent(quiet, key.address) == 2


def test_resume_sends_again_what_was_left_open(quiet: Devnet, new_key: Keys, tmp_path: Path) -> None:
    subscriptions = _subscriptions(quiet, new_key(), QUICK, tmp_path)
    with pytest.raises(GatllmError):
        subscriptions.subscribe()
    quiet.rpc("anvil_dropAllTransactions")
    assert len(subscriptions.chain.resume()) == 1
    quiet.rpc("anvil_mine", "0x1")
    assert subscriptions.paid_until() > 0


def test_a_reorganisation_before_it_is_final(quiet: Devnet, new_key: Keys) -> None:
    subscriptions = _subscriptions(quiet, new_key(), Policy(poll=0.02, timeout=20, confirmations=3))
    seen: list[float] = []
    subscriptions.chain.report = lambda progress: seen.append(progress.done)
    outcome: list[int] = []
    waiting = threading.Thread(target=lambda: outcome.append(subscriptions.subscribe().block), daemon=True)
    waiting.start()
    while not _sent(quiet, subscriptions.chain.address):
        pass
    quiet.rpc("anvil_mine", "0x1")
    while 1 not in seen:
        pass
    mined = subscriptions.chain.head()
    quiet.rpc("anvil_reorg", 1, [])  # the block is replaced by an empty one
    assert _sent(quiet, subscriptions.chain.address, "latest") == 0
    while not _sent(quiet, subscriptions.chain.address):
        pass
    quiet.rpc("anvil_mine", "0x3")
    waiting.join(20)
    assert outcome == [mined + 1]
    assert subscriptions.paid_until() > 0


def test_a_stuck_transaction_gets_a_higher_fee_up_to_the_cap(quiet: Devnet, new_key: Keys, tmp_path: Path) -> None:
    key = new_key()
    policy = Policy(poll=0.02, timeout=0.5, bump_after=0.05)
    with pytest.raises(GatllmError, match="not final"):
        _subscriptions(quiet, key, policy, tmp_path).subscribe()
    path = next(tmp_path.glob("outbox-*.json"))
    (entry,) = _entries(path)
    assert len(entry.raws) > 2
    assert entry.max_fee <= 100 * 10**9
    quiet.rpc("anvil_mine", "0x1")
    _subscriptions(quiet, key, policy, tmp_path).subscribe()
    assert _sent(quiet, key.address) == 1
    assert _entries(path) == []


def test_a_nonce_taken_by_another_program(quiet: Devnet, new_key: Keys, tmp_path: Path) -> None:
    key = new_key()
    with pytest.raises(GatllmError):
        _subscriptions(quiet, key, QUICK, tmp_path).subscribe(3)
    quiet.rpc("anvil_dropAllTransactions")
    other = _subscriptions(quiet, key, QUICK)  # no state folder: it does not know of the first
    with pytest.raises(GatllmError):
        other.subscribe(1)
    quiet.rpc("anvil_mine", "0x1")
    # The first can never be mined now, and is sent anew with the next nonce.
    with pytest.raises(GatllmError):
        _subscriptions(quiet, key, QUICK, tmp_path).subscribe(3)
    quiet.rpc("anvil_mine", "0x1")
    assert other.paid_until() > other.chain.timestamp() + 110 * 24 * 3600


def test_a_transaction_that_fails_on_chain_says_why(quiet: Devnet, new_key: Keys) -> None:
    key = new_key()
    subscriptions = _subscriptions(quiet, key, Policy(poll=0.02, timeout=20))
    failures: list[GatllmError] = []

    def subscribe() -> None:
        try:
            subscriptions.subscribe()
        except GatllmError as error:
            failures.append(error)

    waiting = threading.Thread(target=subscribe, daemon=True)
    waiting.start()
    while not _sent(quiet, key.address):
        pass
    # Mined before it, for a higher tip: the price doubles.
    owner = Chain(quiet.url, quiet.accounts(1)[0])
    call = owner.contract("Subscription", subscriptions.contract.address).functions.setPrice(6 * 10**15)
    call.transact({"from": owner.checksum(owner.address), "maxPriorityFeePerGas": 10**11, "maxFeePerGas": 2 * 10**11})
    quiet.rpc("anvil_mine", "0x1")
    waiting.join(20)
    assert len(failures) == 1
    # The reason may be asked for on the block before (where it would have passed): then it says that.
    assert "something changed just before it" in str(failures[0])
    assert subscriptions.paid_until() == 0


def test_no_funds(devnet: Devnet, deployment: Deployment) -> None:
    from eth_account import Account

    chain = Chain(devnet.url, Account.from_key(b"\x07" * 32))
    with pytest.raises(GatllmError, match=r"has 0 ether"):
        Subscriptions(chain, deployment).subscribe()


def test_the_wrong_chain(devnet: Devnet) -> None:
    with pytest.raises(GatllmError, match="is chain 31337, not 1"):
        Chain(devnet.url, chain_id=1)


def test_nothing_answers() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(GatllmError, match="nothing answers"):
        Chain(url)


def test_gas_above_the_cap(devnet: Devnet, deployment: Deployment, new_key: Keys) -> None:
    chain = Chain(devnet.url, new_key(), policy=Policy(max_fee_gwei=0.001))
    with pytest.raises(GatllmError, match="more than your limit"):
        Subscriptions(chain, deployment).subscribe()


def test_reading_needs_no_account(devnet: Devnet, deployment: Deployment) -> None:
    subscriptions = Subscriptions(Chain(devnet.url), deployment)
    assert subscriptions.price() > 0
    with pytest.raises(UsageError, match="needs an account"):
        subscriptions.subscribe()


def test_no_contract_at_the_address(devnet: Devnet, new_key: Keys) -> None:
    nowhere = Deployment(31337, 0, {"Subscription": "0x" + "99" * 20})
    with pytest.raises(GatllmError, match="no such contract on this chain"):
        Subscriptions(Chain(devnet.url, new_key()), nowhere).price()


@pytest.mark.parametrize("text", ["", "0x12", "alice.eth"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError):
        Chain.checksum(text)


def test_deploying_again_sends_nothing(devnet: Devnet, owner: Chain, deployment: Deployment) -> None:
    before = _sent(devnet, owner.address)
    assert deploy(owner, devnet.folder).addresses == deployment.addresses
    assert _sent(devnet, owner.address) == before


def test_deploying_continues_where_it_stopped(owner: Chain, tmp_path: Path) -> None:
    complete = deploy(owner, tmp_path)
    path = next(tmp_path.glob("deployment-*.json"))
    text = path.read_text()
    path.write_text(text.replace("ProofRegistry", "SomethingElse"))
    again = deploy(owner, tmp_path)
    assert again["Subscription"] == complete["Subscription"]
    assert again["ProofRegistry"] != complete["ProofRegistry"]


def test_a_deployment_quote_bounds_the_cost(owner: Chain, tmp_path: Path) -> None:
    quote = deploy_quote(owner)
    before = owner.balance()
    deploy(owner, tmp_path)
    assert before - owner.balance() <= quote.max_fee


def test_not_deployed_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(GatllmError, match="not deployed on chain 5"):
        load_deployment(tmp_path, 5)
    (tmp_path / "deployment-5.json").write_text("{")
    with pytest.raises(GatllmError, match="is damaged"):
        load_deployment(tmp_path, 5)
