"""Dataset tokens, subscription, proof registry: the EVM clients and the local chain."""

from gatllm.market.chain import Chain, Policy, Quote, Receipt
from gatllm.market.cid import Cid
from gatllm.market.deployment import Deployment, Terms, deploy, deploy_quote, load_deployment
from gatllm.market.devnet import DEVNET_CHAIN_ID, Devnet, find_anvil, running_url
from gatllm.market.registry import ProofRegistry, RegisteredRun
from gatllm.market.subscriptions import Subscriptions
from gatllm.market.tokens import DatasetTokens, Kind, Minted, Origin, Token

__all__ = [
    "DEVNET_CHAIN_ID",
    "Chain",
    "Cid",
    "DatasetTokens",
    "Deployment",
    "Devnet",
    "Kind",
    "Minted",
    "Origin",
    "Policy",
    "ProofRegistry",
    "Quote",
    "Receipt",
    "RegisteredRun",
    "Subscriptions",
    "Terms",
    "Token",
    "deploy",
    "deploy_quote",
    "find_anvil",
    "load_deployment",
    "running_url",
]
