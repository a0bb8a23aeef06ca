"""The share of the income that goes to the owners of the datasets that answers were traced to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatllm.errors import GatllmError, VerificationError
from gatllm.market.chain.client import Chain, Receipt, call_json
from gatllm.market.trade.deployment import Deployment
from gatllm.market.trade.subscriptions import Subscriptions
from gatllm.market.trade.tokens import DatasetTokens, token_number
from gatllm.records import canonical_bytes, read_log, sha256


@dataclass(frozen=True, slots=True)
class Statement:
    """Who gets what in an epoch: wei by token (its id); published, so that anyone can recompute the root."""

    epoch: int
    amounts: dict[str, int]

    @property
    def total(self) -> int:
        """All shares together, in wei."""
        return sum(self.amounts.values())

    def to_bytes(self) -> bytes:
        """Return the canonical JSON that the chain has the digest of; wei as strings."""
        amounts = {root: str(amount) for root, amount in self.amounts.items()}
        return canonical_bytes({"format": "gatllm-rewards/2", "epoch": self.epoch, "amounts": amounts})

    @classmethod
    def from_bytes(cls, data: bytes) -> Statement:
        """Read a statement.

        Raises:
            GatllmError: ``data`` is not a statement of rewards.
        """
        try:
            value = json.loads(data)
            if value["format"] != "gatllm-rewards/2":
                raise ValueError
            return cls(int(value["epoch"]), {f"{token_number(k):064x}": int(v) for k, v in value["amounts"].items()})
        except (ValueError, KeyError, TypeError, AttributeError):
            raise GatllmError("this is not a statement of rewards", "take the one that was published") from None

    def leaves(self) -> list[bytes]:
        """Return the leaves in the order of the roots."""
        return [_leaf(self.epoch, token_number(root), amount) for root, amount in sorted(self.amounts.items())]

    def root(self) -> bytes:
        """Return the Merkle root that is published."""
        return _levels(self.leaves())[-1][0]

    def proof(self, root: str) -> list[bytes]:
        """Return the siblings of one dataset's leaf, from the leaf up.

        Raises:
            GatllmError: the dataset has no share.
        """
        names = sorted(self.amounts)
        if root not in self.amounts:
            raise GatllmError(f"dataset {root} has no share in epoch {self.epoch}", "no answer was traced to it")
        index, path = names.index(root), []
        for level in _levels(self.leaves())[:-1]:
            if index ^ 1 < len(level):
                path.append(level[index ^ 1])
            index //= 2
        return path


def shares(weights: Mapping[str, float], total: int) -> dict[str, int]:
    """Divide ``total`` wei by weight (how much of the answers came from each dataset), to the last wei.

    Rounding goes to the largest remainders; datasets without weight get nothing.

    Raises:
        GatllmError: nothing has a weight, or one is negative.
    """
    from fractions import Fraction

    exact = {f"{token_number(token):064x}": Fraction(weight) for token, weight in weights.items()}
    whole = sum(exact.values(), Fraction(0))
    if whole <= 0 or min(exact.values()) < 0:
        raise GatllmError("there is nothing to divide by", "give each dataset a weight of 0 or more, one above 0")
    ideal = {root: weight * total / whole for root, weight in exact.items()}
    amounts = {root: int(amount) for root, amount in ideal.items()}
    by_rest = sorted(amounts, key=lambda root: (amounts[root] - ideal[root], root))
    for root in by_rest[: total - sum(amounts.values())]:
        amounts[root] += 1
    return {root: amount for root, amount in sorted(amounts.items()) if amount}


def weights_of(transcripts: Iterable[Path]) -> dict[str, float]:
    """Return how much of some answers came from each dataset (its Merkle root), as their sources say and nothing else.

    Every answer is worth one, divided by its sources' fractions of the evidence; one without a source gives nobody
    anything. An answer that is there twice counts once.

    Raises:
        VerificationError: a transcript was changed, or its fractions are none.
    """
    weights: dict[str, float] = {}
    counted: set[str] = set()
    for path in transcripts:
        entries = read_log(path)
        if not entries or entries[-1]["event"] != "answer":
            raise VerificationError(f"{path} is not a transcript of an answer")
        name = sha256(canonical_bytes(entries[-1]))
        if name in counted:
            continue
        counted.add(name)
        sources = entries[-1].get("sources", [])
        parts = [each.get("fraction") for each in sources]
        if (
            not all(isinstance(part, float | int) and not isinstance(part, bool) and 0 <= part <= 1 for part in parts)
            or sum(parts) > 1 + 1e-4
        ):
            raise VerificationError(f"the sources in {path} are not parts of a whole")
        for source, part in zip(sources, parts, strict=True):
            weights[str(source["root"])] = weights.get(str(source["root"]), 0.0) + float(part)
    return weights


def _keccak(data: bytes) -> bytes:
    from eth_utils.crypto import keccak

    return keccak(data)


def _leaf(epoch: int, number: int, amount: int) -> bytes:
    return _keccak(_keccak(epoch.to_bytes(32) + number.to_bytes(32) + amount.to_bytes(32)))


def _levels(leaves: list[bytes]) -> list[list[bytes]]:
    """Return the tree, leaves first: pairs are sorted before they are hashed, an odd one out rises as it is."""
    if not leaves:
        raise GatllmError("a statement without shares can't be published")
    levels = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        pairs = [below[i : i + 2] for i in range(0, len(below), 2)]
        levels.append([_keccak(b"".join(sorted(pair))) if len(pair) == 2 else pair[0] for pair in pairs])
    return levels


class Rewards:
    """The rewards contract of one deployment, with the splitter that feeds it."""

    def __init__(self, chain: Chain, deployment: Deployment) -> None:
        self.chain = chain
        self.first_block = deployment.block
        self.contract = chain.contract("Rewards", deployment["Rewards"])
        self.splitter = chain.contract("Splitter", deployment["Splitter"])

    def fund(self) -> Receipt:
        """Move the rewards' share from the splitter to the contract; anyone may."""
        return self.chain.send(self.splitter.functions.release(self.contract.address))

    def due(self) -> int:
        """Return what `fund` would move, in wei."""
        return int(self.chain.read(self.splitter.functions.due(self.contract.address)))

    def free(self) -> int:
        """Return what the next epoch can be given, in wei."""
        return int(self.chain.read(self.contract.functions.free()))

    def next_epoch(self) -> int:
        """Return the number that the next epoch will have."""
        return int(self.chain.read(self.contract.functions.epochCount()))

    def publish(self, statement: Statement) -> Receipt:
        """Open the next epoch; the contract's owner only.

        Raises:
            GatllmError: the statement is for another epoch, or more than there is.
        """
        if statement.epoch != self.next_epoch():
            raise GatllmError(
                f"the next epoch is {self.next_epoch()}, not {statement.epoch}", "make the statement anew"
            )
        digest = bytes.fromhex(sha256(statement.to_bytes()))
        return self.chain.send(self.contract.functions.publish(statement.root(), statement.total, digest))

    def check(self, statement: Statement) -> None:
        """Check that a statement is the one that was published.

        Raises:
            GatllmError: the epoch isn't open, or was opened with another statement.
        """
        for log in self._published(statement.epoch):
            if bytes(log["args"]["statement"]).hex() != sha256(statement.to_bytes()):
                break
            if bytes(log["args"]["root"]) != statement.root():
                break
            return
        raise GatllmError(f"this is not the statement of epoch {statement.epoch}", "take the one that was published")

    def _published(self, epoch: int) -> Any:
        return self.chain.logs(self.contract.events.EpochPublished(), self.first_block, epoch=epoch)

    def claim(self, statement: Statement, root: str) -> Receipt:
        """Take a dataset's share of an epoch; its current owner only.

        Raises:
            GatllmError: no share, claimed already, or the account does not own the dataset.
        """
        self.check(statement)
        return self.chain.send(self._claim(statement, root))

    def prepare_claim(self, statement: Statement, root: str, owner: str) -> dict[str, str]:
        """Return the transaction with which the owner's wallet takes a dataset's share.

        Raises:
            GatllmError: the statement is not the one that was published, or the dataset has no share.
        """
        self.check(statement)
        return call_json(self._claim(statement, root), owner)

    def is_claimed(self, epoch: int, root: str) -> bool:
        """Tell whether a dataset's share of an epoch was taken."""
        return bool(self.chain.read(self.contract.functions.claimed(epoch, token_number(root))))

    def _claim(self, statement: Statement, root: str) -> Any:
        root = f"{token_number(root):064x}"
        proof = statement.proof(root)
        return self.contract.functions.claim(statement.epoch, token_number(root), statement.amounts[root], proof)


def open_epoch(
    tokens: DatasetTokens, deployment: Deployment, weights: Mapping[str, float], keep: Callable[[Statement], None]
) -> Statement:
    """Move the subscriptions' income on and open the next epoch with it; the contracts' owner only.

    ``weights`` tells how much of the answers came from each token (its id or its dataset's root). ``keep`` writes the
    statement down before it is published: an epoch whose statement is lost could never be claimed.

    Raises:
        GatllmError: a token is unknown, there is nothing to divide, or the account is not the owner.
    """
    chain = tokens.chain
    rewards, subscriptions = Rewards(chain, deployment), Subscriptions(chain, deployment)
    by_token: dict[str, float] = {}
    for name, weight in weights.items():  # everything is checked before anything is sent
        token = tokens.get(name).id
        by_token[token] = by_token.get(token, 0) + weight
    shares(by_token, 1)
    owner = str(chain.read(rewards.contract.functions.owner()))
    if owner != chain.address:
        raise GatllmError(f"only the contract's owner, {owner}, may do this", "use the owner's account")
    if chain.balance(deployment["Subscription"]):
        subscriptions.withdraw()
    if rewards.due():
        rewards.fund()
    statement = Statement(rewards.next_epoch(), shares(by_token, rewards.free()))
    keep(statement)
    rewards.publish(statement)
    return statement
