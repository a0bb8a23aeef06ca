"""Paying for the chat: time, price, gifts, pauses, and where the income goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gatllm.errors import GatllmError
from gatllm.market import Chain, Deployment, Devnet, Subscriptions, deploy

Chains = Callable[[], Chain]
MONTH = 30 * 24 * 3600
PRICE = 3 * 10**15


def test_the_price_is_three_thousandths_of_an_ether(deployment: Deployment, new_chain: Chains) -> None:
    assert Subscriptions(new_chain(), deployment).price() == PRICE


def test_months_are_paid_ahead_and_extended(deployment: Deployment, new_chain: Chains) -> None:
    subscriptions = Subscriptions(new_chain(), deployment)
    assert subscriptions.paid_until() == 0
    receipt = subscriptions.subscribe(2)
    paid = subscriptions.chain.timestamp(receipt.block)
    assert subscriptions.paid_until() == paid + 2 * MONTH
    subscriptions.subscribe(1)
    assert subscriptions.paid_until() == paid + 3 * MONTH
    assert subscriptions.is_active(now=paid + 3 * MONTH - 1)
    assert not subscriptions.is_active(now=paid + 3 * MONTH)


def test_a_gift(deployment: Deployment, new_chain: Chains) -> None:
    giver, friend = Subscriptions(new_chain(), deployment), new_chain().address
    giver.subscribe(1, user=friend)
    assert giver.paid_until(friend) > 0
    assert giver.paid_until() == 0


def test_what_can_be_taken_back_is_not_yet_paid(devnet: Devnet, deployment: Deployment, new_chain: Chains) -> None:
    subscriptions = Subscriptions(new_chain(), deployment)
    subscriptions.subscribe(1)
    assert subscriptions.paid_until(at=subscriptions.chain.head() - 1) == 0
    devnet.rpc("anvil_mine", "0x1")
    assert subscriptions.paid_until(at=subscriptions.chain.head() - 1) > 0


def test_a_price_above_the_limit_takes_nothing(devnet: Devnet, owner: Chain, new_chain: Chains, tmp_path: Path) -> None:
    own = deploy(owner, tmp_path)
    admin, user = Subscriptions(owner, own), Subscriptions(new_chain(), own)
    before = user.chain.balance()
    admin.set_price(2 * PRICE)
    with pytest.raises(GatllmError, match="rose above what you agreed to"):
        user.subscribe(1, max_price=PRICE)
    assert user.chain.balance() == before
    user.subscribe(1)
    assert admin.paid_until(user.chain.address) > 0
    admin.pause()
    with pytest.raises(GatllmError, match="no payments at the moment"):
        user.subscribe(1)
    admin.pause(False)
    with pytest.raises(GatllmError, match="only the contract's owner"):
        user.set_price(0)
    user.withdraw()
    assert owner.balance(own["Splitter"]) == 2 * PRICE


@pytest.mark.parametrize("months", [0, 13])
def test_wrong_months(deployment: Deployment, new_chain: Chains, months: int) -> None:
    with pytest.raises(GatllmError, match="1 to 12 months"):
        Subscriptions(new_chain(), deployment).subscribe(months)
