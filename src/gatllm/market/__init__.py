"""Dataset tokens, subscription, rewards, proof registry; content, unlocking; EVM clients and the local chain."""

from gatllm.market.chain import Chain, Policy, Quote, Receipt
from gatllm.market.cid import Cid
from gatllm.market.collection import change_collection, publish_collection, read_collection
from gatllm.market.deployment import Deployment, Terms, deploy, deploy_quote, load_deployment
from gatllm.market.devnet import DEVNET_CHAIN_ID, Devnet, find_anvil, running_url
from gatllm.market.metadata import CollectionMetadata, TokenMetadata
from gatllm.market.publication import About, Publication, publish, read_document, retrieve
from gatllm.market.registry import ProofRegistry, RegisteredRun
from gatllm.market.rewards import Rewards, Statement, shares
from gatllm.market.sealing import new_content_key
from gatllm.market.seaport import Offer, Trade, find_seaport
from gatllm.market.signin import SignedIn, SignIn
from gatllm.market.stores import Gateway, KuboStore, LocalStore, Store, open_store, pin
from gatllm.market.subscriptions import Subscriptions
from gatllm.market.substrate import ProofChain, SubstrateRegistry
from gatllm.market.tokens import DatasetTokens, Kind, Minted, Origin, Token
from gatllm.market.unlocking import KeyVault, Release, Unlocker, request_key
from gatllm.market.wrapping import KeyCard, unwrap, wrap

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
