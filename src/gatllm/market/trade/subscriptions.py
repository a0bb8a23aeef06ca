"""The prepaid use of the chat: who has paid, until when, and paying."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from gatllm.market.chain.client import Chain, Quote, Receipt, call_json
from gatllm.market.trade.deployment import Deployment


@dataclass(frozen=True, slots=True)
class Payment:
    """What was paid for an address, as the chain has it: ``paid`` in wei, ``until`` in seconds since 1970."""

    user: str
    payer: str
    months: int
    paid: int
    until: int
    block: int
    transaction: str


class Subscriptions:
    """The subscription contract of one deployment."""

    def __init__(self, chain: Chain, deployment: Deployment) -> None:
        self.chain = chain
        self.first_block = deployment.block
        self.contract = chain.contract("Subscription", deployment["Subscription"])

    def price(self) -> int:
        """Return the price of a month, in wei."""
        return int(self.chain.read(self.contract.functions.price()))

    def subscribe(self, months: int = 1, *, user: str | None = None, max_price: int | None = None) -> Receipt:
        """Pay ``months`` (1 to 12) for ``user`` (default: the account), at most ``max_price`` wei a month.

        Without ``max_price`` it is the price of this moment: one that rises before the payment is mined takes nothing.

        Raises:
            GatllmError: the price is above ``max_price``, payments are paused, or the account can't pay.
        """
        call, value = self._call(months, user, max_price)
        return self.chain.send(call, value)

    def quote(self, months: int = 1, *, user: str | None = None, max_price: int | None = None) -> Quote:
        """Return what `subscribe` would cost; nothing is sent."""
        call, value = self._call(months, user, max_price)
        return self.chain.quote(call, value)

    def prepare(self, user: str, months: int) -> dict[str, str]:
        """Return the transaction with which the wallet of ``user`` pays."""
        call, value = self._call(months, user, None)
        return call_json(call, user, value)

    def paid_until(self, address: str | None = None, *, at: int | None = None) -> int:
        """Return until when an address (default: the account) has paid, in seconds since 1970 (0: never).

        ``at`` a block (default: the newest): what a reorganisation can take back is not yet paid.
        """
        user = self.chain.checksum(address or self.chain.address)
        return int(self.chain.read(self.contract.functions.paidUntil(user), at=at))

    def is_active(self, address: str | None = None, *, at: int | None = None, now: float | None = None) -> bool:
        """Tell whether an address may ask now (``now`` seconds since 1970, default: this machine's clock)."""
        return self.paid_until(address, at=at) > (time.time() if now is None else now)

    def payments(self, user: str) -> list[Payment]:
        """Return what was paid for an address, oldest first."""
        logs = self.chain.logs(self.contract.events.Subscribed(), self.first_block, user=self.chain.checksum(user))
        return [
            Payment(
                str(log["args"]["user"]), str(log["args"]["payer"]), int(log["args"]["months"]),
                int(log["args"]["paid"]), int(log["args"]["until"]), int(log["blockNumber"]),
                "0x" + bytes(log["transactionHash"]).hex(),
            )
            for log in logs
        ]  # fmt: skip

    def owner(self) -> str:
        """Return who may change the price."""
        return str(self.chain.read(self.contract.functions.owner()))

    def prepare_price(self, owner: str, wei: int) -> dict[str, str]:
        """Return the transaction with which the wallet of the contract's owner changes the price."""
        return call_json(self.contract.functions.setPrice(wei), owner)

    def set_price(self, wei: int) -> Receipt:
        """Change the price of months to come; the contract's owner only.

        Raises:
            GatllmError: the account is not the owner.
        """
        return self.chain.send(self.contract.functions.setPrice(wei))

    def quote_price(self, wei: int) -> Quote:
        """Return what `set_price` would cost; nothing is sent."""
        return self.chain.quote(self.contract.functions.setPrice(wei))

    def pause(self, paused: bool = True) -> Receipt:
        """Stop or resume taking payments; the contract's owner only."""
        functions = self.contract.functions
        return self.chain.send(functions.pause() if paused else functions.unpause())

    def withdraw(self) -> Receipt:
        """Move the income to the splitter; anyone may."""
        return self.chain.send(self.contract.functions.withdraw())

    def _call(self, months: int, user: str | None, max_price: int | None) -> tuple[Any, int]:
        price = self.price()
        receiver = self.chain.checksum(user or self.chain.address)
        limit = price if max_price is None else max_price
        return self.contract.functions.subscribe(receiver, months, limit), price * months
