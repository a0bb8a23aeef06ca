"""Sales through Seaport 1.6: buyer gets the token, contributor the royalty, seller the rest; nothing is sold twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gatllm.errors import GatllmError, UsageError
from gatllm.market import Chain, DatasetTokens, Deployment, Devnet, Origin
from gatllm.market.trade.seaport import Offer, Trade, find_seaport

Chains = Callable[[], Chain]
ETHER = 10**18


@pytest.fixture(scope="module")
def seaport(owner: Chain, deployment: Deployment, devnet: Devnet) -> str:
    return find_seaport(owner, deployment, devnet.folder)


@pytest.fixture
def trader(deployment: Deployment, new_chain: Chains, seaport: str) -> Callable[[], Trade]:
    return lambda: Trade(DatasetTokens(new_chain(), deployment), seaport)


@pytest.fixture
def seller(trader: Callable[[], Trade]) -> Trade:
    return trader()


@pytest.fixture
def token(seller: Trade, new_origin: Callable[[], Origin]) -> str:
    return seller.tokens.mint(new_origin()).token.id


def test_it_is_seaport_1_6_and_deployed_once(
    seller: Trade, owner: Chain, deployment: Deployment, devnet: Devnet
) -> None:
    version, _, _ = seller.chain.read(seller.contract.functions.information())
    assert version == "1.6"
    assert find_seaport(owner, deployment, devnet.folder) == seller.contract.address


def test_a_sale(seller: Trade, token: str, trader: Callable[[], Trade], tmp_path: Path) -> None:
    offer = seller.offer(token, ETHER)
    (tmp_path / "offer.json").write_text(offer.to_json())
    read = Offer.read(tmp_path / "offer.json")
    assert (read.token, read.price) == (token, ETHER)
    buyer = trader()
    before, seller_before = buyer.chain.balance(), seller.chain.balance()
    quote = buyer.quote(read)
    receipt = buyer.buy(read)
    assert buyer.tokens.owner_of(token) == buyer.chain.address
    assert before - buyer.chain.balance() == ETHER + receipt.fee <= quote.value + quote.max_fee
    assert seller.chain.balance() - seller_before == ETHER  # the seller is the contributor: the royalty is theirs too
    with pytest.raises(GatllmError, match="sold already"):
        trader().buy(read)
    # The new owner sells on: the royalty still goes to the contributor, in the same transaction.
    again = buyer.offer(token, ETHER // 2)
    before = seller.chain.balance()
    trader().buy(again)
    assert seller.chain.balance() - before == ETHER // 40


def test_a_cancelled_offer(seller: Trade, token: str, trader: Callable[[], Trade]) -> None:
    offer = seller.offer(token, ETHER)
    seller.cancel(offer)
    with pytest.raises(GatllmError, match="was cancelled"):
        trader().buy(offer)


def test_an_offer_that_is_over(
    seller: Trade, token: str, trader: Callable[[], Trade], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="makes no sense"):
        seller.offer(token, ETHER, days=0)
    now = seller.chain.timestamp()
    with monkeypatch.context() as patched:
        patched.setattr(seller.chain, "timestamp", lambda: now - 86_401)
        offer = seller.offer(token, ETHER, days=1)
    with pytest.raises(GatllmError, match="is over"):
        trader().buy(offer)


def test_a_changed_offer_is_refused_by_the_chain(seller: Trade, token: str, trader: Callable[[], Trade]) -> None:
    offer = seller.offer(token, ETHER)
    cheaper = json.loads(json.dumps(offer.parameters))
    for item in cheaper["consideration"]:
        item["startAmount"] = item["endAmount"] = "1"
    with pytest.raises(GatllmError, match="refused"):
        trader().buy(replace(offer, parameters=cheaper))
    with pytest.raises(GatllmError, match="other contracts"):
        trader().buy(replace(offer, seaport="0x" + "12" * 20))
    with pytest.raises(GatllmError, match="for chain 1"):
        trader().buy(replace(offer, chain_id=1))


def test_only_the_owner_offers(token: str, trader: Callable[[], Trade], seller: Trade) -> None:
    with pytest.raises(GatllmError, match="does not own"):
        trader().offer(token, ETHER)
    with pytest.raises(UsageError, match="above 0"):
        seller.offer(token, 0)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "gatllm-offer/1"}'])
def test_what_is_no_offer(tmp_path: Path, text: str) -> None:
    (tmp_path / "offer.json").write_text(text)
    with pytest.raises(GatllmError, match="not an offer"):
        Offer.read(tmp_path / "offer.json")
    with pytest.raises(GatllmError, match="can't read"):
        Offer.read(tmp_path / "none.json")


def test_an_auction_is_no_fixed_price(seller: Trade, token: str, tmp_path: Path) -> None:
    offer = seller.offer(token, ETHER)
    offer.parameters["consideration"][0]["startAmount"] = "1"
    (tmp_path / "offer.json").write_text(offer.to_json())
    with pytest.raises(GatllmError, match="not an offer"):
        Offer.read(tmp_path / "offer.json")
