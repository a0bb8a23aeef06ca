"""The market as the service has it: tokens, subscriptions, keys, contributions, and who is signed in with a wallet.

The server never sees a key of anybody: it prepares what a wallet sends (receiver, data, value) and reads the chain.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from fastapi import Request

from gatllm.errors import GatllmError
from gatllm.market import (
    DatasetTokens,
    Deployment,
    KeyVault,
    SignIn,
    Store,
    Subscriptions,
    Trade,
    Unlocker,
    known_seaport,
)
from gatllm.service.access import COOKIE
from gatllm.service.catalogue import Catalogue
from gatllm.service.contribution_jobs import ContributionWork
from gatllm.service.contributions import Contributions
from gatllm.service.sessions import Sessions

_REMEMBERED = 10_000  # subscribers
# Where transactions and tokens can be looked at: name, block explorer, OpenSea's name of the chain.
EXPLORERS = {
    1: ("Ethereum", "https://etherscan.io", "ethereum"),
    10: ("OP Mainnet", "https://optimistic.etherscan.io", "optimism"),
    137: ("Polygon", "https://polygonscan.com", "polygon"),
    8453: ("Base", "https://basescan.org", "base"),
    42161: ("Arbitrum One", "https://arbiscan.io", "arbitrum"),
    11155111: ("Sepolia", "https://sepolia.etherscan.io", ""),
}


@dataclass
class Market:
    """What the market's pages work on; contributions and the log of releases lie in ``state_dir``."""

    tokens: DatasetTokens
    subscriptions: Subscriptions
    deployment: Deployment
    vault: KeyVault
    signin: SignIn
    store: Store
    state_dir: Path
    sessions: Sessions = field(init=False)  # the app's own
    _paid: dict[str, int] = field(default_factory=dict)

    @property
    def unlocker(self) -> Unlocker:
        """Who releases content keys."""
        return Unlocker(self.tokens, self.vault, self.signin, self.state_dir / "releases.jsonl")

    @cached_property
    def contributions(self) -> Contributions:
        """What people brought, each bound to the wallet that did."""
        return Contributions(self.state_dir / "contributions")

    @cached_property
    def catalogue(self) -> Catalogue:
        """What is on offer, and what was."""
        return Catalogue(self.tokens, self.store, self.contributions, self.state_dir)

    @property
    def trade(self) -> Trade:
        """Where datasets are bought and sold.

        Raises:
            GatllmError: this chain has no Seaport.
        """
        seaport = known_seaport(self.tokens.chain, self.deployment)
        if seaport is None:
            raise GatllmError("there is no Seaport on this chain", "give the token away, or trade elsewhere")
        return Trade(self.tokens, seaport)

    @cached_property
    def work(self) -> ContributionWork:
        """The work behind them."""
        return ContributionWork(self.contributions, self.store, self.vault)

    def facts(self) -> list[tuple[str, str]]:
        """Return what an operator wants to know: the chain, how far behind it is, the price, the store."""
        chain = self.tokens.chain
        head, behind = chain.head(), self.chain_lag()
        return [
            ("Chain", f"{chain.chain_id}, block {head:,}, {behind:.0f} s old"),
            ("Price of a month", f"{Decimal(self.subscriptions.price()) / 10**18:f} ETH"),
            ("Owner of the contracts", self.subscriptions.owner()),
            ("Store", type(self.store).__name__),
            ("Room for uploads", f"{shutil.disk_usage(self.state_dir).free >> 30} GiB"),
        ]

    def chain_lag(self) -> float:
        """Return how old the chain's newest block is, in seconds; a local chain makes blocks for transactions only."""
        return max(0.0, time.time() - self.tokens.chain.timestamp())

    def subscription(self, address: str) -> dict[str, Any]:
        """Return price, end and receipts of a wallet's subscription."""
        _, explorer, _ = EXPLORERS.get(self.tokens.chain.chain_id, ("", "", ""))
        payments = self.subscriptions.payments(address)
        return {
            "price": self.subscriptions.price(),
            "until": self.paid_until(address),
            "payments": [
                {"months": one.months, "paid": one.paid, "until": one.until, "payer": one.payer, "block": one.block,
                 "transaction": one.transaction,
                 "link": f"{explorer}/tx/{one.transaction}" if explorer else ""}
                for one in reversed(payments)
            ],
        }  # fmt: skip

    def paid_until(self, address: str) -> int:
        """Return until when an address has paid; asked of the chain only while what is known has run out.

        Time that was paid is never taken back by the contract, so what is known stays true. Only what somebody paid
        for is remembered: anyone can ask about any address.
        """
        now = time.time()
        if self._paid.get(address, 0) > now:
            return self._paid[address]
        until = self.subscriptions.paid_until(address, at=self.tokens.chain.confirmed_block())
        if until > now:
            if len(self._paid) >= _REMEMBERED:  # drop what has expired, else the oldest
                self._paid = {who: paid for who, paid in self._paid.items() if paid > now}
                self._paid.pop(next(iter(self._paid), ""), None)
            self._paid[address] = until
        return until


def session_of(request: Request, market: Market) -> str | None:
    """Return the address that is signed in, by token or cookie."""
    given = request.headers.get("authorization", "")
    token = given[7:] if given.lower().startswith("bearer ") else request.cookies.get(COOKIE, "")
    return market.sessions.address(token)


def market_of(request: Request) -> Market:
    """Return what the market's pages work on."""
    market: Market = request.app.state.market
    return market


def chain_json(market: Market) -> dict[str, Any]:
    """Return what a wallet must know of the chain; a local chain's address too, so that it can be added."""
    chain = market.tokens.chain
    known = EXPLORERS.get(chain.chain_id, ("", "", ""))
    name = "local chain" if chain.local else known[0] or f"chain {chain.chain_id}"
    return {"id": chain.chain_id, "name": name, "rpc": chain.rpc_url if chain.local else "", "explorer": known[1]}
