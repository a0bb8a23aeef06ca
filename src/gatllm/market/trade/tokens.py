"""Datasets as ERC-721 tokens: announced, minted, listed, looked up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from gatllm.errors import GatllmError, UsageError
from gatllm.market.chain.client import Chain, Quote, Receipt, call_json
from gatllm.market.store.cid import RAW, Cid
from gatllm.market.store.collection import DEFAULT, publish_collection, read_collection
from gatllm.market.store.metadata import CollectionMetadata, collection_metadata
from gatllm.market.store.stores import Store
from gatllm.market.trade.deployment import Deployment

# What minting can't be estimated for before its announcement is mined; the contract's tests hold it below this.
MINT_GAS_BOUND = 100_000
COMMIT_GAS_BOUND = 50_000


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

    def id_for(self, contributor: str) -> str:
        """Return the id of the token that ``contributor`` mints of this."""
        return id_of(contributor, self.root)


@dataclass(frozen=True, slots=True)
class Token:
    """A dataset token as the chain has it; ``id`` and digests are 64 hexadecimal digits.

    ``announced`` is the block in which its contributor showed to have the data: of several tokens with one root the one
    that was announced first.
    """

    id: str
    root: str
    owner: str
    contributor: str
    kind: Kind
    content: str
    metadata: str
    uri: str
    block: int
    announced: int


@dataclass(frozen=True, slots=True)
class Minted:
    """A mint that is final; the receipts are None for what was done before."""

    token: Token
    commit: Receipt | None
    mint: Receipt | None


def token_number(token: str | int) -> int:
    """Return a token's id as the chain has it, from its 64 hexadecimal digits (with or without ``0x``) or the number.

    Raises:
        UsageError: it is neither.
    """
    if isinstance(token, int):
        return token
    try:
        raw = bytes.fromhex(token.removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise UsageError(f"{token[:80]!r} names no token", "give its id or its dataset's root, 64 hexadecimal digits")
    return int.from_bytes(raw)


def id_of(contributor: str, root: str) -> str:
    """Return the id of a contributor's token of the dataset with this Merkle root, as `DatasetToken.idOf` makes it.

    Nobody else's token has it: the first 160 bits are the contributor's address, the others begin the root.
    """
    return f"{int(Chain.checksum(contributor), 16):040x}{token_number(root):064x}"[:64]


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
        """Announce and mint a dataset to the account; continues where an earlier call was cut off.

        Raises:
            GatllmError: the chain refuses, or the account can't pay.
        """
        token_id = origin.id_for(self.chain.address)
        if self.find_owner(token_id) is not None:
            return Minted(self.get(token_id), None, None)
        commitment = self._commitment(origin)
        announced = None
        if self._ready(commitment) == 0:
            announced = self.chain.send(self.contract.functions.commit(commitment))
        self.chain.await_head(self._ready(commitment) - 1, "wait for the announcement to age")
        receipt = self.chain.send(self._mint_call(origin))
        return Minted(self.get(token_id), announced, receipt)

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
            GatllmError: this address has minted the dataset already.
        """
        self.refuse_minted(origin.root, address)
        commitment = self._commitment(origin, address)
        ready = self._ready(commitment)
        commit = None if ready else call_json(self.contract.functions.commit(commitment), address)
        return {
            "chain_id": self.chain.chain_id,
            "delay": int(self.chain.read(self.contract.functions.revealDelay())),
            "ready": ready,
            "commit": commit,
            "mint": call_json(self._mint_call(origin), address),
            "fee_wei": str(self._fee(announced=ready != 0)),
        }

    def _fee(self, *, announced: bool) -> int:
        """Return about what a mint costs now, in wei: what the wallet will say is what counts."""
        gas = MINT_GAS_BOUND + (0 if announced else COMMIT_GAS_BOUND)
        return gas * self.chain.gas_price()

    def refuse_minted(self, root: str, contributor: str) -> None:
        """Check that a contributor has not minted a dataset.

        Raises:
            GatllmError: it is minted.
        """
        owner = self.find_owner(id_of(contributor, root))
        if owner is not None:
            raise GatllmError(f"you minted this dataset already, {owner} owns it", "nothing is left to do")

    def find_owner(self, token: str | int, *, at: int | None = None) -> str | None:
        """Return who owns a token (in block ``at``; default: the newest), or None when it isn't minted."""
        try:
            return self.owner_of(token, at=at)
        except GatllmError as error:
            if "ERC721NonexistentToken" in str(error):
                return None
            raise

    def owner_of(self, token: str | int, *, at: int | None = None) -> str:
        """Return who owns a token (in block ``at``; default: the newest).

        Raises:
            GatllmError: it isn't minted.
        """
        return str(self.chain.read(self.contract.functions.ownerOf(token_number(token)), at=at))

    def get(self, token: str | int) -> Token:
        """Return one token by its id, or by its dataset's Merkle root: of several the one that was announced first.

        Raises:
            GatllmError: it isn't minted.
        """
        number = token_number(token)
        for log in self._minted(id=number):
            return self._token(log)
        if found := self.of_root(f"{number:064x}"):
            return found[0]
        raise GatllmError(f"no dataset {number:064x} was minted here", "list what was: gatllm market list")

    def of_root(self, root: str) -> list[Token]:
        """Return all tokens of one dataset, whoever minted them, the earliest announcement first."""
        logs = list(self._minted(root=bytes.fromhex(root)))
        logs.sort(key=lambda log: (log["args"]["announced"], log["blockNumber"], log["logIndex"]))
        return [self._token(log) for log in logs]

    def list(self, *, contributor: str | None = None) -> Iterator[Token]:
        """Yield all tokens in the order of their mint, or those that one contributor minted."""
        topics = {} if contributor is None else {"contributor": self.chain.checksum(contributor)}
        for log in self._minted(**topics):
            yield self._token(log)

    def since(self, first: int) -> tuple[tuple[Token, ...], dict[str, str]]:
        """Return what was minted from block ``first`` on, and the last owner of each token that moved since."""
        owners = {
            f"{int(log['args']['tokenId']):064x}": str(log["args"]["to"])
            for log in self.chain.logs(self.contract.events.Transfer(), first)
        }
        logs = self.chain.logs(self.contract.events.DatasetMinted(), first)
        return tuple(self._token(log, owners.get(f"{int(log['args']['id']):064x}")) for log in logs), owners

    def prepare_transfer(self, token: str, sender: str, to: str) -> dict[str, str]:
        """Return the transaction with which the wallet of ``sender`` gives a token away."""
        number = token_number(token)
        return call_json(self.contract.functions.safeTransferFrom(sender, self.chain.checksum(to), number), sender)

    def _minted(self, **topics: Any) -> Iterator[Any]:
        return self.chain.logs(self.contract.events.DatasetMinted(), self.first_block, **topics)

    def royalty(self, token: str | int, price: int) -> tuple[str, int]:
        """Return where and how much (wei) royalty is due at a sale for ``price`` wei (ERC-2981)."""
        receiver, amount = self.chain.read(self.contract.functions.royaltyInfo(token_number(token), price))
        return str(receiver), int(amount)

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

    def transfer(self, token: str | int, to: str) -> Receipt:
        """Give a token away."""
        number = token_number(token)
        call = self.contract.functions.safeTransferFrom(self.chain.address, self.chain.checksum(to), number)
        return self.chain.send(call)

    def _token(self, log: Any, owner: str | None = None) -> Token:
        values = log["args"]
        number = int(values["id"])
        return Token(
            id=f"{number:064x}",
            root=bytes(values["root"]).hex(),
            owner=owner or self.owner_of(number),
            contributor=str(values["contributor"]),
            kind=Kind(values["kind"]),
            content=bytes(values["content"]).hex(),
            metadata=bytes(values["metadata"]).hex(),
            uri=Cid(RAW, bytes(values["metadata"])).uri,
            block=int(log["blockNumber"]),
            announced=int(values["announced"]),
        )

    def _mint_call(self, origin: Origin) -> Any:
        return self.contract.functions.mint(
            bytes.fromhex(origin.root), bytes.fromhex(origin.content), bytes.fromhex(origin.metadata), int(origin.kind)
        )

    def _commitment(self, origin: Origin, address: str | None = None) -> bytes:
        fields = (
            self.chain.checksum(address or self.chain.address),
            bytes.fromhex(origin.root),
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
    owner = str(tokens.chain.read(tokens.contract.functions.owner()))
    if owner != tokens.chain.address:  # before anything is written to the store
        raise GatllmError(f"only the contract's owner, {owner}, may do this", "use the owner's account")
    try:
        before = read_collection(store, tokens.collection_uri())
    except GatllmError:
        before = DEFAULT
    about = collection_metadata(**{**before.model_dump(exclude_none=True), **fields})
    tokens.set_collection(publish_collection(store, about))
    return read_collection(store, tokens.collection_uri())
