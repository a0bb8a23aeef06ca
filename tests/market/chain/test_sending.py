"""Whatever a node answers, a payment is made once: every JSON-RPC error, at every call that sending makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gatllm.errors import GatllmError
from gatllm.market import Chain, Deployment, Devnet, Policy, Subscriptions
from gatllm.market.chain.outbox import Outbox, Outgoing
from gatllm.market.chain.rpc_errors import Refusal, classify_refusal
from gatllm.proof import Key
from tests.market.chain.nodes import Fault, FaultyNode

Keys = Callable[[], Key]
QUICK = Policy(poll=0.01, timeout=0.3)
MONTH = 30 * 24 * 3600

# Code, message, and what it proves about the transaction that was sent; as nodes and public endpoints word them.
ERRORS: list[tuple[int, str, Refusal]] = [
    (-32000, "already known", Refusal.KNOWN),
    (-32000, "ALREADY_EXISTS: already known", Refusal.KNOWN),
    (-32010, "AlreadyKnown", Refusal.KNOWN),
    (-32010, "Transaction with the same hash was already imported.", Refusal.KNOWN),
    (-32000, "Known transaction", Refusal.KNOWN),
    (-32000, "nonce too low", Refusal.USED),
    (-32003, "nonce too low", Refusal.USED),
    (-32010, "OldNonce", Refusal.USED),
    (-32001, "Nonce too low", Refusal.USED),
    (-32000, "nonce too low: next nonce 7, tx nonce 6", Refusal.USED),
    (-32000, "insufficient funds for gas * price + value", Refusal.NEVER),
    (-32003, "Insufficient funds for gas * price + value", Refusal.NEVER),
    (-32010, "InsufficientFunds, Account balance: 0", Refusal.NEVER),
    (-32004, "Upfront cost exceeds account balance", Refusal.NEVER),
    (-32000, "intrinsic gas too low", Refusal.NEVER),
    (-32000, "exceeds block gas limit", Refusal.NEVER),
    (-32000, "max priority fee per gas higher than max fee per gas", Refusal.NEVER),
    (-32000, "tx fee (1.21 ether) exceeds the configured cap (1.00 ether)", Refusal.NEVER),
    (-32000, "invalid sender", Refusal.NEVER),
    (-32000, "oversized data", Refusal.NEVER),
    (-32000, "transaction type not supported", Refusal.NEVER),
    (-32000, "rlp: value size exceeds available input length", Refusal.NEVER),
    (-32005, "daily request count exceeded, request rate limited", Refusal.LATER),
    (429, "Too Many Requests", Refusal.LATER),
    (-32016, "Your app has exceeded its compute units per second capacity", Refusal.LATER),
    (-32000, "header not found", Refusal.LATER),
    (-32000, "replacement transaction underpriced", Refusal.LATER),
    (-32000, "transaction underpriced", Refusal.LATER),
    (-32000, "max fee per gas less than block base fee", Refusal.LATER),
    (-32000, "txpool is full", Refusal.LATER),
    (-32000, "nonce too high", Refusal.LATER),
    (-32000, "address already reserved", Refusal.LATER),
    (-32000, "in-flight transaction limit reached for delegated accounts", Refusal.LATER),
    (-32000, "missing trie node", Refusal.LATER),
    (-32002, "request timed out", Refusal.LATER),
    (-32603, "Internal error", Refusal.LATER),
    (-32601, "the method eth_sendRawTransaction does not exist/is not available", Refusal.LATER),
    (-32700, "parse error", Refusal.LATER),
    (-32099, "something that nobody wrote down", Refusal.LATER),
]


@pytest.mark.parametrize(("code", "message", "kind"), ERRORS)
def test_what_a_refusal_proves(code: int, message: str, kind: Refusal) -> None:
    assert classify_refusal(message) is kind


def _subscriptions(url: str, key: Key, deployment: Deployment, state_dir: Path) -> Subscriptions:
    return Subscriptions(Chain(url, key, state_dir=state_dir, policy=QUICK), deployment)


def _months_after(url: str, devnet: Devnet, key: Key, deployment: Deployment, state_dir: Path) -> int:
    """Run the command until it succeeds, as a person does who reads "run the same command again"."""
    for _ in range(40):  # a busy machine needs more of them
        try:
            _subscriptions(url, key, deployment, state_dir).subscribe(1)
            break
        except GatllmError:
            continue
    else:
        pytest.fail("it never succeeded")
    seen = Subscriptions(Chain(devnet.url), deployment)
    return round((seen.paid_until(key.address) - seen.chain.timestamp()) / MONTH)


@pytest.mark.parametrize("forwarded", [False, True], ids=["dropped", "passed on"])
@pytest.mark.parametrize(("code", "message", "kind"), ERRORS)
def test_an_error_to_what_was_sent_never_makes_it_paid_twice(
    devnet: Devnet,
    deployment: Deployment,
    new_key: Keys,
    tmp_path: Path,
    code: int,
    message: str,
    kind: Refusal,
    forwarded: bool,
) -> None:
    def fault(method: str, count: int) -> Any:
        sending = method == "eth_sendRawTransaction" and count == 1
        return ({"code": code, "message": message}, forwarded) if sending else None

    with FaultyNode(devnet.url, fault) as node:
        assert _months_after(node.url, devnet, new_key(), deployment, tmp_path) == 1


CALLS = ("eth_chainId", "eth_estimateGas", "eth_getBlockByNumber", "eth_maxPriorityFeePerGas", "eth_getBalance",
         "eth_getTransactionCount", "eth_sendRawTransaction", "eth_getTransactionReceipt", "eth_blockNumber",
         "eth_call")  # fmt: skip


@pytest.mark.parametrize("answer", [({"code": -32005, "message": "limit exceeded"}, True), 503], ids=["limit", "503"])
@pytest.mark.parametrize("which", [1, 2])
@pytest.mark.parametrize("method", CALLS)
def test_any_call_may_fail(
    devnet: Devnet, deployment: Deployment, new_key: Keys, tmp_path: Path, method: str, which: int, answer: Any
) -> None:
    # Each run of the command opens the chain anew: its calls are counted through.
    def fault(called: str, count: int) -> Any:
        return answer if (called, count) == (method, which) else None

    with FaultyNode(devnet.url, fault) as node:
        assert _months_after(node.url, devnet, new_key(), deployment, tmp_path) == 1


def _entries(state_dir: Path) -> list[Outgoing]:
    outbox = Outbox(next(state_dir.glob("outbox-*.json")))
    with outbox.locked():
        return outbox.entries()


def test_a_node_that_never_takes_it_loses_nothing(
    devnet: Devnet, deployment: Deployment, new_key: Keys, tmp_path: Path
) -> None:
    def limit(method: str, count: int) -> Any:
        return ({"code": -32005, "message": "rate limited"}, False) if method == "eth_sendRawTransaction" else None

    key = new_key()
    with FaultyNode(devnet.url, limit) as node:
        for _ in range(3):
            with pytest.raises(GatllmError, match=r"rate limited.*run the same command again"):
                _subscriptions(node.url, key, deployment, tmp_path).subscribe(1)
    (entry,) = _entries(tmp_path)
    assert _months_after(devnet.url, devnet, key, deployment, tmp_path) == 1
    assert _entries(tmp_path) == []
    receipt = Chain(devnet.url).web3.eth.get_transaction_receipt(entry.hashes[0])  # type: ignore[arg-type]
    assert receipt["status"] == 1


def test_a_call_that_was_refused_gives_its_nonce_to_the_next(
    devnet: Devnet, deployment: Deployment, new_key: Keys, tmp_path: Path
) -> None:
    """Another command is not held up by one that no node takes, and at most one of the two is ever paid."""

    def poor(method: str, count: int) -> Any:
        refused = ({"code": -32000, "message": "insufficient funds for gas * price + value"}, False)
        return refused if method == "eth_sendRawTransaction" else None

    key = new_key()
    with FaultyNode(devnet.url, poor) as node, pytest.raises(GatllmError, match="send it ether"):
        _subscriptions(node.url, key, deployment, tmp_path).subscribe(1)
    assert _entries(tmp_path)[0].refused
    subscriptions = _subscriptions(devnet.url, key, deployment, tmp_path)
    subscriptions.subscribe(2)
    assert round((subscriptions.paid_until() - subscriptions.chain.timestamp()) / MONTH) == 2
    subscriptions.subscribe(1)  # the first is proven to be over: this is a new one
    assert round((subscriptions.paid_until() - subscriptions.chain.timestamp()) / MONTH) == 3
    assert _entries(tmp_path) == []


def test_what_is_told_to_be_mined_is_kept_until_it_is_final(
    devnet: Devnet, deployment: Deployment, new_key: Keys, tmp_path: Path
) -> None:
    subscriptions = _subscriptions(devnet.url, new_key(), deployment, tmp_path)
    subscriptions.chain.has_finality = None  # ask the chain: anvil's own finality is 64 blocks behind
    subscriptions.subscribe(1)
    (entry,) = _entries(tmp_path)
    assert entry.delivered
    assert subscriptions.chain.has_finality
    assert subscriptions.chain.final_block() <= subscriptions.chain.head() - 60
    assert subscriptions.chain.resume() == []
    subscriptions.subscribe(1)  # an equal call is a new one: the first was told to have been mined
    assert round((subscriptions.paid_until() - subscriptions.chain.timestamp()) / MONTH) == 2
    devnet.rpc("anvil_mine", hex(70))
    subscriptions.chain.resume()
    assert _entries(tmp_path) == []


def test_a_chain_without_the_tag_counts_blocks(devnet: Devnet) -> None:
    def unknown(method: str, count: int) -> Any:
        return ({"code": -32000, "message": "unknown tag finalized"}, False) if asked(method) else None

    def asked(method: str) -> bool:
        return method == "eth_getBlockByNumber"

    fault: Fault = unknown
    with FaultyNode(devnet.url, fault) as node:
        chain = Chain(node.url, policy=Policy(confirmations=3))
        chain.has_finality = None
        assert chain.final_block() == max(0, chain.head() - 2)
        assert chain.has_finality is False


def test_the_outbox_is_used_under_its_lock(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.json")
    entry = Outgoing("x", 0, [], [], 1, 1)
    for use in (outbox.entries, lambda: outbox.put(entry), lambda: outbox.remove(entry)):
        with pytest.raises(RuntimeError, match="under its lock"):
            use()
    with outbox.locked():
        outbox.put(entry)
    with Outbox(tmp_path / "outbox.json").locked(), pytest.raises(RuntimeError):
        outbox.entries()  # another's lock is not mine


@pytest.mark.parametrize("content", ["", "[", "[1]", '[{"call": "x"}]'])
def test_a_damaged_outbox_is_never_taken_for_an_empty_one(tmp_path: Path, content: str) -> None:
    outbox = Outbox(tmp_path / "outbox.json")
    (tmp_path / "outbox.json").write_text(content)
    with outbox.locked(), pytest.raises(GatllmError, match="is damaged"):
        outbox.entries()
