"""What an account has on a chain: its money, its subscription, its tokens, its registered runs."""

from __future__ import annotations

from dataclasses import dataclass

from gatllm.market.chain.client import Chain
from gatllm.market.trade.deployment import Deployment
from gatllm.market.trade.registry import ProofRegistry
from gatllm.market.trade.rewards import Rewards
from gatllm.market.trade.subscriptions import Subscriptions
from gatllm.market.trade.tokens import DatasetTokens, Token


@dataclass(frozen=True, slots=True)
class Overview:
    """An account and the market around it; amounts in wei, ``paid_until`` in seconds since 1970 (0: never)."""

    account: str
    block: int
    balance: int
    price: int
    paid_until: int
    tokens: tuple[Token, ...]
    runs: tuple[str, ...]
    rewards_free: int
    open_transactions: tuple[str, ...]


def overview(chain: Chain, deployment: Deployment, account: str) -> Overview:
    """Return what an account has; what the chain's own account left open is sent again on the way.

    Raises:
        UsageError: it is not an address.
        GatllmError: the chain does not answer.
    """
    who = str(chain.checksum(account))
    subscriptions = Subscriptions(chain, deployment)
    return Overview(
        account=who,
        block=chain.head(),
        balance=chain.balance(who),
        price=subscriptions.price(),
        paid_until=subscriptions.paid_until(who),
        tokens=tuple(token for token in DatasetTokens(chain, deployment).list() if token.owner == who),
        runs=tuple(run.run for run in ProofRegistry(chain, deployment).by_trainer(who)),
        rewards_free=Rewards(chain, deployment).free(),
        open_transactions=tuple(chain.resume()) if chain.account else (),
    )
