"""Dataset tokens, subscription, rewards, proof registry; content, unlocking; EVM clients and the local chain."""

from gatllm.market.chain.client import Chain, Quote, Receipt, call_json
from gatllm.market.chain.connection import Policy
from gatllm.market.chain.devnet import DEVNET_CHAIN_ID, Devnet, find_anvil, running_url
from gatllm.market.chain.rpc_errors import ChainUnavailableError
from gatllm.market.store.cid import Cid
from gatllm.market.store.collection import publish_collection, read_collection
from gatllm.market.store.metadata import CollectionMetadata, TokenMetadata
from gatllm.market.store.publication import About, Publication, publish, read_document, retrieve
from gatllm.market.store.sealing import new_content_key
from gatllm.market.store.stores import Gateway, KuboStore, LocalStore, Store, open_store, pin
from gatllm.market.trade.access import unlock_dataset
from gatllm.market.trade.deployment import (
    Deployment,
    Terms,
    deploy,
    deploy_quote,
    deployment_path,
    fetch_deployment,
    load_deployment,
)
from gatllm.market.trade.minting import MintedDataset, mint_dataset, publish_for, quote_mint
from gatllm.market.trade.overview import Overview, overview
from gatllm.market.trade.proof_chain import ProofChain
from gatllm.market.trade.registry import ProofRegistry, RegisteredRun
from gatllm.market.trade.rewards import Rewards, Statement, open_epoch, shares, weights_of
from gatllm.market.trade.seaport import Offer, Trade, find_seaport, known_seaport
from gatllm.market.trade.signin import SignedIn, SignIn
from gatllm.market.trade.subscriptions import Payment, Subscriptions
from gatllm.market.trade.substrate import SubstrateRegistry
from gatllm.market.trade.tokens import DatasetTokens, Kind, Minted, Origin, Token, change_collection, id_of
from gatllm.market.trade.unlocking import KeyVault, Release, Unlocker, request_key
from gatllm.market.trade.wrapping import KeyCard, unwrap, wrap

__all__ = [
    "DEVNET_CHAIN_ID",
    "About",
    "Chain",
    "ChainUnavailableError",
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
    "MintedDataset",
    "Offer",
    "Origin",
    "Overview",
    "Payment",
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
    "call_json",
    "change_collection",
    "deploy",
    "deploy_quote",
    "deployment_path",
    "fetch_deployment",
    "find_anvil",
    "find_seaport",
    "id_of",
    "known_seaport",
    "load_deployment",
    "mint_dataset",
    "new_content_key",
    "open_epoch",
    "open_store",
    "overview",
    "pin",
    "publish",
    "publish_collection",
    "publish_for",
    "quote_mint",
    "read_collection",
    "read_document",
    "request_key",
    "retrieve",
    "running_url",
    "shares",
    "unlock_dataset",
    "unwrap",
    "weights_of",
    "wrap",
]
