"""Where the contracts lie: deployed once per chain, their addresses kept in a JSON file named by the chain id."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Container, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gatllm.errors import GatllmError
from gatllm.market.chain.artifacts import artifact
from gatllm.market.chain.client import Chain, Quote
from gatllm.market.chain.devnet import DEVNET_CHAIN_ID
from gatllm.market.store.collection import DEFAULT, publish_collection
from gatllm.market.store.metadata import CollectionMetadata
from gatllm.market.store.stores import LocalStore, Store
from gatllm.progress import Progress
from gatllm.records import sha256, write_file

ORDER = ("DatasetToken", "Rewards", "Splitter", "Subscription", "ProofRegistry")


@dataclass(frozen=True, slots=True)
class Terms:
    """What the contracts are deployed with.

    ``price`` wei a month; ``royalty_bps`` of every sale to the contributor, in hundredths of a percent;
    ``reward_percent`` of the income to the owners of the datasets that answers came from, the rest to ``treasury``
    (default: the deployer). ``reveal_delay`` blocks lie between the announcement of a mint and the mint (default: 1 on
    a local chain, else 5). ``collection`` is what marketplaces show of all tokens together.
    """

    price: int = 3 * 10**15
    royalty_bps: int = 500
    reward_percent: int = 40
    treasury: str = ""
    reveal_delay: int | None = None
    collection: CollectionMetadata = DEFAULT


@dataclass(slots=True)
class Deployment:
    """The addresses of the contracts on one chain; ``block`` is the first that may hold their events."""

    chain_id: int
    block: int
    addresses: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every contract is there."""
        return set(self.addresses) >= set(ORDER)

    def __getitem__(self, contract: str) -> str:
        try:
            return self.addresses[contract]
        except KeyError:
            raise GatllmError(f"{contract} is not deployed on chain {self.chain_id}", _CURE) from None


_CURE = "run: gatllm market deploy"


def deployment_path(home: Path, chain_id: int) -> Path:
    """Return the file that holds the addresses on one chain."""
    return home / f"deployment-{chain_id}.json"


def load_deployment(home: Path, chain_id: int) -> Deployment:
    """Return the addresses on one chain.

    Raises:
        GatllmError: nothing was deployed there, or the file is damaged.
    """
    path = deployment_path(home, chain_id)
    if not path.exists():
        raise GatllmError(f"the contracts are not deployed on chain {chain_id} (no {path})", _CURE)
    try:
        return Deployment(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise GatllmError(f"{path} is damaged", "write the addresses again, or deploy anew") from None


def save_deployment(home: Path, deployment: Deployment) -> None:
    """Write the addresses on one chain."""
    write_file(deployment_path(home, deployment.chain_id), json.dumps(asdict(deployment), indent=1) + "\n")


def _arguments(
    chain: Chain, terms: Terms, store: Store, at: Callable[[str], str], made: Container[str] = ()
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield each contract that is not ``made`` with its arguments; ``at`` tells where an earlier one lies.

    The collection's metadata are put into ``store`` before the contract that names them.
    """
    owner = chain.address
    delay = terms.reveal_delay or (1 if chain.chain_id == DEVNET_CHAIN_ID else 5)
    if "DatasetToken" not in made:
        collection = publish_collection(store, terms.collection)
        yield "DatasetToken", (owner, delay, terms.royalty_bps, collection.digest)
    if "Rewards" not in made:
        yield "Rewards", (owner, at("DatasetToken"))
    if "Splitter" not in made:
        treasury = chain.checksum(terms.treasury or owner)
        yield "Splitter", ([treasury, at("Rewards")], [100 - terms.reward_percent, terms.reward_percent])
    if "Subscription" not in made:
        yield "Subscription", (owner, terms.price, at("Splitter"))
    if "ProofRegistry" not in made:
        yield "ProofRegistry", ()


def _constructor(chain: Chain, name: str, arguments: tuple[Any, ...]) -> Any:
    built = artifact(name)
    return chain.web3.eth.contract(abi=built.abi, bytecode=built.bytecode).constructor(*arguments)


def deploy(chain: Chain, home: Path, terms: Terms | None = None, *, store: Store | None = None) -> Deployment:
    """Deploy what is not deployed yet and return all addresses; a second call finds them and sends nothing.

    ``store`` takes the collection's metadata (default: the folder ``store`` in ``home``).

    Raises:
        GatllmError: the chain or the store refuses, or the account can't pay.
    """
    terms, store = terms or Terms(), store or LocalStore(home / "store")
    path = deployment_path(home, chain.chain_id)
    known = load_deployment(home, chain.chain_id) if path.exists() else Deployment(chain.chain_id, chain.head())
    if any(not chain.has_code(address) for address in known.addresses.values()):
        known = Deployment(chain.chain_id, chain.head())  # a local chain that was started afresh
    for name, arguments in _arguments(chain, terms, store, known.__getitem__, known.addresses):
        chain.report(Progress("deploy", ORDER.index(name), len(ORDER), "contracts", name))
        receipt = chain.send(_constructor(chain, name, arguments))
        if receipt.contract is None:
            raise GatllmError(f"the chain gave no address for {name}", "check the RPC address")
        known.addresses[name] = receipt.contract
        save_deployment(home, known)
    chain.report(Progress("deploy", len(ORDER), len(ORDER), "contracts"))
    return known


def _placeholder(name: str) -> str:
    return str(Chain.checksum("0x" + sha256(name.encode())[:40]))


def deploy_quote(chain: Chain, terms: Terms | None = None) -> Quote:
    """Return what `deploy` would cost on a chain that has none of the contracts; nothing is sent."""
    with tempfile.TemporaryDirectory() as scratch:
        quotes = [
            chain.quote(_constructor(chain, name, arguments))
            for name, arguments in _arguments(chain, terms or Terms(), LocalStore(Path(scratch)), _placeholder)
        ]
    return sum(quotes, Quote(0, 0, 0))
