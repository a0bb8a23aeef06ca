"""Datasets as ERC-721 tokens: announced, minted, listed, looked up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from gatllm.errors import GatllmError, UsageError
from gatllm.market.chain.client import Chain, Quote, Receipt, call_json
from gatllm.market.store.cid import Cid
from gatllm.market.store.collection import DEFAULT, publish_collection, read_collection
from gatllm.market.store.metadata import CollectionMetadata, collection_metadata
from gatllm.market.store.stores import Store
from gatllm.market.trade.deployment import Deployment

# What minting can't be estimated for before its announcement is mined; the contract's tests hold it below this.
MINT_GAS_BOUND = 100_000


class Kind(IntEnum):
    """What a dataset is for, as the contract numbers it."""

    POSITIVE = 0
    NEGATIVE = 1
    CONVERSATION = 2


@dataclass(frozen=True, slots=True)
class Origin:
    """What is minted: the dataset's Merkle root and the digests of its content's and its metadata's root blocks."""

    root: str
    content: str
    metadata: str
    kind: Kind

    @property
    def token_id(self) -> int:
        """The token id: the root as a number."""
        return token_id(self.root)


@dataclass(frozen=True, slots=True)
class Token:
    """A dataset token as the chain has it; digests are 64 hexadecimal digits."""

    root: str
    owner: str
    contributor: str
    kind: Kind
    content: str
    metadata: str
    minted_metadata: str
    uri: str
    block: int

    @property
    def token_id(self) -> int:
        """The token id: the root as a number."""
        return token_id(self.root)


@dataclass(frozen=True, slots=True)
class Minted:
    """A mint that is final; the receipts are None for what was done before."""

    token: Token
    commit: Receipt | None
    mint: Receipt | None


def token_id(root: str | int) -> int:
    """Return the token id of a Merkle root (64 hexadecimal digits, with or without ``0x``; or the number itself).

    Raises:
        UsageError: it is neither.
    """
    if isinstance(root, int):
        return root
    try:
        raw = bytes.fromhex(root.removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise UsageError(f"{root[:80]!r} is no token id", "it is the dataset's Merkle root, 64 hexadecimal digits")
    return int.from_bytes(raw)


class DatasetTokens:
    """The dataset tokens of one deployment."""

    def __init__(self, chain: Chain, deployment: Deployment) -> None:
        self.chain = chain
        self.first_block = deployment.block
        self.contract = chain.contract("DatasetToken", deployment["DatasetToken"])

    @property
    def address(self) -> str:
        """Where the contract lies."""
        return str(self.contract.address)

    def mint(self, origin: Origin) -> Minted:
        """Announce and mint a dataset to the account; goes on where an earlier call was cut off.

        Raises:
            GatllmError: another account owns the dataset, or the chain refuses.
        """
        owner = self.find_owner(origin.root)
        if owner is not None:
            token = self.get(origin.root)
            if token.contributor != self.chain.address:
                raise GatllmError(f"this dataset was minted by {token.contributor}", "a dataset is minted once")
            return Minted(token, None, None)
        commitment = self._commitment(origin)
        announced = None
        if self._ready(commitment) == 0:
            announced = self.chain.send(self.contract.functions.commit(commitment))
        self.chain.await_head(self._ready(commitment) - 1, "wait for the announcement to age")
        receipt = self.chain.send(self._mint_call(origin))
        return Minted(self.get(origin.root), announced, receipt)

    def quote(self, origin: Origin) -> Quote:
        """Return what announcing and minting would cost; nothing is sent."""
        commit = self.chain.quote(self.contract.functions.commit(self._commitment(origin)))
        price, highest = commit.fee // commit.gas, commit.max_fee // commit.gas
        return commit + Quote(MINT_GAS_BOUND, MINT_GAS_BOUND * price, MINT_GAS_BOUND * highest)

    def prepare(self, origin: Origin, address: str) -> dict[str, Any]:
        """Return the transactions with which another wallet mints: what `mint` sends, for ``address`` to sign.

        ``commit`` is None when it is announced already; the mint is accepted from block ``ready`` on (0: not yet
        known).

        Raises:
            GatllmError: the dataset is minted.
        """
        owner = self.find_owner(origin.root)
        if owner is not None:
            raise GatllmError(f"this dataset is minted, {owner} owns it", "a dataset is minted once")
        commitment = self._commitment(origin, address)
        ready = self._ready(commitment)
        commit = None if ready else call_json(self.contract.functions.commit(commitment), address)
        return {
            "chain_id": self.chain.chain_id,
            "delay": int(self.chain.read(self.contract.functions.revealDelay())),
            "ready": ready,
            "commit": commit,
            "mint": call_json(self._mint_call(origin), address),
        }

    def find_owner(self, root: str | int, *, behind: int = 0) -> str | None:
        """Return who owns a token (``behind`` blocks ago), or None when it isn't minted."""
        try:
            return str(self.chain.read(self.contract.functions.ownerOf(token_id(root)), behind=behind))
        except GatllmError as error:
            if "ERC721NonexistentToken" in str(error):
                return None
            raise

    def owner_of(self, root: str | int, *, behind: int = 0) -> str:
        """Return who owns a token (``behind`` blocks ago).

        Raises:
            GatllmError: it isn't minted.
        """
        return str(self.chain.read(self.contract.functions.ownerOf(token_id(root)), behind=behind))

    def get(self, root: str | int) -> Token:
        """Return one token.

        Raises:
            GatllmError: it isn't minted.
        """
        number = token_id(root)
        for log in self.chain.logs(self.contract.events.DatasetMinted(), self.first_block, id=number):
            return self._token(log)
        raise GatllmError(f"no dataset {number:064x} was minted here", "list what was: gatllm market list")

    def list(self, *, contributor: str | None = None) -> Iterator[Token]:
        """Yield all tokens in the order of their mint, or those that one contributor minted."""
        if contributor is None:
            for log in self.chain.logs(self.contract.events.DatasetMinted(), self.first_block):
                yield self._token(log)
            return
        topics = {"from": "0x" + "00" * 20, "to": self.chain.checksum(contributor)}
        for log in self.chain.logs(self.contract.events.Transfer(), self.first_block, **topics):
            yield self.get(int(log["args"]["tokenId"]))

    def royalty(self, root: str | int, price: int) -> tuple[str, int]:
        """Return where and how much (wei) royalty is due at a sale for ``price`` wei (ERC-2981)."""
        receiver, amount = self.chain.read(self.contract.functions.royaltyInfo(token_id(root), price))
        return str(receiver), int(amount)

    def collect_royalties(self, root: str | int) -> Receipt:
        """Send the royalties that collected in ether to the contributor."""
        return self.chain.send(
            self.contract.functions.collectRoyalties(self._origin_tuple(self.get(root)), "0x" + "00" * 20)
        )

    def collection_uri(self) -> str:
        """Return where the metadata of the whole collection lie: an ``ipfs://`` URI."""
        return str(self.chain.read(self.contract.functions.contractURI()))

    def set_collection(self, metadata: Cid) -> Receipt | None:
        """Point the collection at other metadata; None when it names them already. The contracts' owner only.

        Raises:
            GatllmError: the account is not the owner.
        """
        if self.collection_uri() == metadata.uri:
            return None
        return self.chain.send(self.contract.functions.setContractMetadata(metadata.digest))

    def transfer(self, root: str | int, to: str) -> Receipt:
        """Give a token away."""
        call = self.contract.functions.safeTransferFrom(self.chain.address, self.chain.checksum(to), token_id(root))
        return self.chain.send(call)

    def _token(self, log: Any) -> Token:
        values = log["args"]
        number = int(values["id"])
        functions = self.contract.functions
        return Token(
            root=f"{number:064x}",
            owner=self.owner_of(number),
            contributor=str(values["contributor"]),
            kind=Kind(values["kind"]),
            content=bytes(values["content"]).hex(),
            metadata=bytes(self.chain.read(functions.metadataOf(number))).hex(),
            minted_metadata=bytes(values["metadata"]).hex(),
            uri=str(self.chain.read(functions.tokenURI(number))),
            block=int(log["blockNumber"]),
        )

    def _origin_tuple(self, token: Token) -> tuple[Any, ...]:
        return (
            token.contributor,
            token.token_id,
            bytes.fromhex(token.content),
            bytes.fromhex(token.minted_metadata),
            int(token.kind),
        )

    def _mint_call(self, origin: Origin) -> Any:
        return self.contract.functions.mint(
            origin.token_id, bytes.fromhex(origin.content), bytes.fromhex(origin.metadata), int(origin.kind)
        )

    def _commitment(self, origin: Origin, address: str | None = None) -> bytes:
        fields = (
            self.chain.checksum(address or self.chain.address),
            origin.token_id,
            bytes.fromhex(origin.content),
            bytes.fromhex(origin.metadata),
            int(origin.kind),
        )
        return bytes(self.chain.read(self.contract.functions.commitmentOf(fields)))

    def _ready(self, commitment: bytes) -> int:
        return int(self.chain.read(self.contract.functions.readyBlock(commitment)))


def change_collection(tokens: DatasetTokens, store: Store, **fields: str) -> CollectionMetadata:
    """Change fields of the collection's metadata; where the present ones can't be had, the others get their defaults.

    Raises:
        GatllmError: a field does not follow the schema, the store refuses, or the account is not the contracts' owner.
    """
    try:
        before = read_collection(store, tokens.collection_uri())
    except GatllmError:
        before = DEFAULT
    about = collection_metadata(**{**before.model_dump(exclude_none=True), **fields})
    tokens.set_collection(publish_collection(store, about))
    return read_collection(store, tokens.collection_uri())
