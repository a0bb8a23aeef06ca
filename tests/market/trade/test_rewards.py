"""Rewards: shares to the last wei, proofs that the contract accepts, claims by whoever owns the dataset now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.answering import Transcript
from gatllm.errors import GatllmError, VerificationError
from gatllm.market import Chain, DatasetTokens, Origin, Subscriptions, deploy
from gatllm.market.trade.rewards import Rewards, Statement, shares, weights_of
from gatllm.records import sha256


def _root(number: int) -> str:
    return sha256(str(number).encode())


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20).filter(any), st.integers(0, 10**20))
def test_shares_add_up_to_the_last_wei(weights: list[float], total: int) -> None:
    named = {_root(i): weight for i, weight in enumerate(weights)}
    amounts = shares(named, total)
    assert sum(amounts.values()) == total
    for root, weight in named.items():
        assert abs(amounts.get(root, 0) - total * weight / sum(weights)) <= 1 + total * 1e-12


@pytest.mark.parametrize("weights", [{}, {_root(1): 0.0}, {_root(1): -1.0, _root(2): 3.0}])
def test_nothing_to_divide_by(weights: dict[str, float]) -> None:
    with pytest.raises(GatllmError):
        shares(weights, 100) if weights else Statement(0, {}).root()


@given(st.dictionaries(st.integers(0, 99).map(_root), st.integers(1, 10**24), min_size=1, max_size=12))
def test_a_statement_reads_back(amounts: dict[str, int]) -> None:
    statement = Statement(3, dict(sorted(amounts.items())))
    again = Statement.from_bytes(statement.to_bytes())
    assert again == statement
    assert again.root() == statement.root()


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"format":"gatllm-rewards/1","epoch":0,"amounts":{"x":"1"}}'])
def test_what_is_no_statement(data: bytes) -> None:
    with pytest.raises(GatllmError):
        Statement.from_bytes(data)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_every_owner_claims_their_share(
    owner: Chain, new_chain: Callable[[], Chain], new_origin: Callable[[], Origin], tmp_path: Path, count: int
) -> None:
    own = deploy(owner, tmp_path)
    holders = [DatasetTokens(new_chain(), own) for _ in range(count)]
    held = [holder.mint(new_origin()).token.id for holder in holders]
    subscriber = Subscriptions(new_chain(), own)
    subscriber.subscribe(5)
    subscriber.withdraw()
    rewards = Rewards(owner, own)
    rewards.fund()
    assert rewards.free() == 5 * 3 * 10**15 * 40 // 100
    amounts = shares({root: i + 1 for i, root in enumerate(held)}, rewards.free())
    statement = Statement(rewards.next_epoch(), amounts)
    rewards.publish(statement)
    # The first dataset is sold between the epoch and the claim: its new owner is paid.
    buyer = new_chain()
    holders[0].transfer(held[0], buyer.address)
    with pytest.raises(GatllmError, match="does not own this token"):
        Rewards(holders[0].chain, own).claim(statement, held[0])
    for chain, root in zip([buyer, *(h.chain for h in holders[1:])], held, strict=True):
        before = chain.balance()
        receipt = Rewards(chain, own).claim(statement, root)
        assert chain.balance() == before - receipt.fee + amounts[root]
        with pytest.raises(GatllmError, match="claimed already"):
            Rewards(chain, own).claim(statement, root)
    assert owner.balance(own["Rewards"]) == 0


def test_another_statement_is_refused(
    owner: Chain, new_chain: Callable[[], Chain], new_origin: Callable[[], Origin], tmp_path: Path
) -> None:
    own = deploy(owner, tmp_path)
    tokens = DatasetTokens(new_chain(), own)
    root = tokens.mint(new_origin()).token.id
    subscriber = Subscriptions(new_chain(), own)
    subscriber.subscribe(1)
    subscriber.withdraw()
    rewards = Rewards(owner, own)
    rewards.fund()
    with pytest.raises(GatllmError, match="next epoch is 0"):
        rewards.publish(Statement(1, {root: 1}))
    with pytest.raises(GatllmError, match="NotEnough"):
        rewards.publish(Statement(0, {root: 10**18}))
    rewards.publish(Statement(0, {root: 1000}))
    with pytest.raises(GatllmError, match="not the statement of epoch 0"):
        Rewards(tokens.chain, own).claim(Statement(0, {root: 1001}), root)
    with pytest.raises(GatllmError, match="has no share"):
        Rewards(tokens.chain, own).claim(Statement(0, {root: 1000}), _root(5))
    with pytest.raises(GatllmError, match="only the contract's owner"):
        Rewards(tokens.chain, own).publish(Statement(1, {root: 1}))


def transcript(path: Path, *sources: tuple[str, float], text: str = "") -> Path:
    kept = Transcript()
    kept.add("prompt", text="?")
    kept.add("answer", text=text, sources=[{"root": root, "fraction": part} for root, part in sources])
    kept.save(path)
    return path


def test_weights_are_those_of_the_sources(tmp_path: Path) -> None:
    first = transcript(tmp_path / "a.jsonl", (_root(1), 0.75), (_root(2), 0.25))
    second = transcript(tmp_path / "b.jsonl", (_root(1), 1.0), text="another")
    nothing = transcript(tmp_path / "c.jsonl", text="no source in the data")
    assert weights_of([first, second, nothing]) == {_root(1): 1.75, _root(2): 0.25}
    (tmp_path / "copy.jsonl").write_bytes(first.read_bytes())
    assert weights_of([first, tmp_path / "copy.jsonl"]) == weights_of([first])


@pytest.mark.parametrize("parts", [[("x", 0.8), ("y", 0.8)], [("x", -0.5)], [("x", True), ("y", 1.0)], [("x", "1")]])
def test_more_than_a_whole_answer_is_refused(tmp_path: Path, parts: list[tuple[str, float]]) -> None:
    with pytest.raises(VerificationError, match="not parts of a whole"):
        weights_of([transcript(tmp_path / "a.jsonl", *parts)])


def test_a_changed_transcript_earns_nothing(tmp_path: Path) -> None:
    path = transcript(tmp_path / "a.jsonl", (_root(1), 1.0))
    path.write_bytes(path.read_bytes().replace(b'"text":"?"', b'"text":"!"'))
    with pytest.raises(VerificationError, match="does not follow"):
        weights_of([path])
