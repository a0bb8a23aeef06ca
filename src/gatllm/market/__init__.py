"""Dataset tokens, subscription, rewards, proof registry; content, unlocking; EVM clients and the local chain."""

from gatllm.market.chain.client import Chain, Policy, Quote, Receipt
from gatllm.market.chain.devnet import DEVNET_CHAIN_ID, Devnet, find_anvil, running_url
from gatllm.market.store.cid import Cid
from gatllm.market.store.collection import publish_collection, read_collection
from gatllm.market.store.metadata import CollectionMetadata, TokenMetadata
from gatllm.market.store.publication import About, Publication, publish, read_document, retrieve
from gatllm.market.store.sealing import new_content_key
from gatllm.market.store.stores import Gateway, KuboStore, LocalStore, Store, open_store, pin
from gatllm.market.trade.deployment import Deployment, Terms, deploy, deploy_quote, load_deployment
from gatllm.market.trade.registry import ProofRegistry, RegisteredRun
from gatllm.market.trade.rewards import Rewards, Statement, shares
from gatllm.market.trade.seaport import Offer, Trade, find_seaport
from gatllm.market.trade.signin import SignedIn, SignIn
from gatllm.market.trade.subscriptions import Subscriptions
from gatllm.market.trade.substrate import ProofChain, SubstrateRegistry
from gatllm.market.trade.tokens import DatasetTokens, Kind, Minted, Origin, Token, change_collection
from gatllm.market.trade.unlocking import KeyVault, Release, Unlocker, request_key
from gatllm.market.trade.wrapping import KeyCard, unwrap, wrap

__all__ = [
    "DEVNET_CHAIN_ID",
    "About",
    "Chain",
    "Cid",
    "CollectionMetadata",
    "DatasetTokens",
    "Deployment",
    "Devnet",
    "Gateway",
    "KeyCard",
    "KeyVault",
    "Kind",
    "KuboStore",
    "LocalStore",
    "Minted",
    "Offer",
    "Origin",
    "Policy",
    "ProofChain",
    "ProofRegistry",
    "Publication",
    "Quote",
    "Receipt",
    "RegisteredRun",
    "Release",
    "Rewards",
    "SignIn",
    "SignedIn",
    "Statement",
    "Store",
    "Subscriptions",
    "SubstrateRegistry",
    "Terms",
    "Token",
    "TokenMetadata",
    "Trade",
    "Unlocker",
    "change_collection",
    "deploy",
    "deploy_quote",
    "find_anvil",
    "find_seaport",
    "load_deployment",
    "new_content_key",
    "open_store",
    "pin",
    "publish",
    "publish_collection",
    "read_collection",
    "read_document",
    "request_key",
    "retrieve",
    "running_url",
    "shares",
    "unwrap",
    "wrap",
]
