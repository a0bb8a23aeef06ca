"""Where the contracts lie: deployed once per chain, their addresses kept in a JSON file named by the chain id."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Container, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gatllm.errors import GatllmError, UsageError
from gatllm.market.chain.artifacts import artifact, source_of
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
    a local chain, else 5). ``collection`` is what marketplaces show of all tokens together. ``owner`` (default: the
    deployer) may change the price, publish rewards and announce another splitter: on a real chain a multisig.
    """

    price: int = 3 * 10**15
    royalty_bps: int = 500
    reward_percent: int = 40
    treasury: str = ""
    reveal_delay: int | None = None
    collection: CollectionMetadata = DEFAULT
    owner: str = ""

    def check(self) -> None:
        """Check what a contract would refuse only after others were paid for.

        Raises:
            UsageError: a number is out of its range, or something is not an address.
        """
        if not 0 < self.reward_percent < 100:
            raise UsageError(f"a reward of {self.reward_percent} percent is not part of the income", "give 1 to 99")
        if not 0 <= self.royalty_bps <= 1_000:
            raise UsageError(f"a royalty of {self.royalty_bps / 100:g} percent is refused", "give 0 to 10")
        if self.price < 0 or (self.reveal_delay is not None and self.reveal_delay < 1):
            raise UsageError("price and delay can't be below 0 and 1", "check --price and --reveal-delay")
        for address in filter(None, (self.treasury, self.owner)):
            Chain.checksum(address)


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


def deployment_path(state_dir: Path, chain_id: int) -> Path:
    """Return the file that holds the addresses on one chain."""
    return state_dir / f"deployment-{chain_id}.json"


def load_deployment(state_dir: Path, chain_id: int) -> Deployment:
    """Return the addresses on one chain.

    Raises:
        GatllmError: nothing was deployed there, or the file is damaged.
    """
    path = deployment_path(state_dir, chain_id)
    if not path.exists():
        raise GatllmError(f"the contracts are not deployed on chain {chain_id} (no {path})", _CURE)
    return _parse(path.read_text(encoding="utf-8"), str(path))


def fetch_deployment(where: str, chain_id: int) -> Deployment:
    """Return the addresses that an address book names: a file that `deploy` wrote, or the address that serves it.

    Whoever wrote it is trusted to name the right contracts: take it from the seller's own page.

    Raises:
        GatllmError: it can't be had, is damaged, or is for another chain.
    """
    if where.startswith(("https://", "http://")):
        import requests

        try:
            answer = requests.get(where, timeout=30)
            answer.raise_for_status()
        except requests.RequestException:
            raise GatllmError(f"no address book answers at {where}", "check the address") from None
        text = answer.text
    else:
        try:
            text = Path(where).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise GatllmError(
                f"can't read {where}: {getattr(error, 'strerror', 'it is not text')}", "check it"
            ) from None
    deployment = _parse(text, where)
    if deployment.chain_id != chain_id:
        raise GatllmError(f"{where} is for chain {deployment.chain_id}, this is {chain_id}", "change --rpc")
    return deployment


def _parse(text: str, where: str) -> Deployment:
    try:
        value = json.loads(text)
        addresses = {str(name): str(Chain.checksum(address)) for name, address in value["addresses"].items()}
        return Deployment(int(value["chain_id"]), int(value["block"]), addresses)
    except (ValueError, TypeError, KeyError, AttributeError, UsageError):
        raise GatllmError(f"{where} is damaged", "write the addresses again, or deploy anew") from None


def save_deployment(state_dir: Path, deployment: Deployment) -> None:
    """Write the addresses on one chain."""
    write_file(deployment_path(state_dir, deployment.chain_id), json.dumps(asdict(deployment), indent=1) + "\n")


def _arguments(
    chain: Chain, terms: Terms, store: Store, at: Callable[[str], str], made: Container[str] = ()
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield each contract that is not ``made`` with its arguments; ``at`` tells where an earlier one lies.

    The collection's metadata are put into ``store`` before the contract that names them.
    """
    owner = chain.checksum(terms.owner or chain.address)
    delay = terms.reveal_delay or (1 if chain.chain_id == DEVNET_CHAIN_ID else 5)
    if "DatasetToken" not in made:
        collection = publish_collection(store, terms.collection)
        yield "DatasetToken", (owner, delay, terms.royalty_bps, collection.digest)
    if "Rewards" not in made:
        yield "Rewards", (owner, at("DatasetToken"))
    if "Splitter" not in made:
        treasury = chain.checksum(terms.treasury or chain.address)
        yield "Splitter", ([treasury, at("Rewards")], [100 - terms.reward_percent, terms.reward_percent])
    if "Subscription" not in made:
        yield "Subscription", (owner, terms.price, at("Splitter"))
    if "ProofRegistry" not in made:
        yield "ProofRegistry", ()


def _constructor(chain: Chain, name: str, arguments: tuple[Any, ...]) -> Any:
    built = artifact(name)
    return chain.web3.eth.contract(abi=built.abi, bytecode=built.bytecode).constructor(*arguments)


def deploy(chain: Chain, state_dir: Path, terms: Terms | None = None, *, store: Store | None = None) -> Deployment:
    """Deploy what is not deployed yet and return all addresses; a second call finds them and sends nothing.

    ``store`` takes the collection's metadata (default: the folder ``store`` in ``state_dir``).

    Raises:
        GatllmError: the chain or the store refuses, or the account can't pay.
    """
    terms, store = terms or Terms(), store or LocalStore(state_dir / "store")
    terms.check()
    path = deployment_path(state_dir, chain.chain_id)
    known = load_deployment(state_dir, chain.chain_id) if path.exists() else Deployment(chain.chain_id, chain.head())
    gone = [name for name, address in known.addresses.items() if not chain.has_code(address)]
    if gone and not chain.local:
        raise GatllmError(
            f"{chain.rpc_url} shows no contract where {path} says {gone[0]} is",
            "check the RPC address, or move the file",
        )
    if gone:
        known = Deployment(chain.chain_id, chain.head())  # a local chain that was started afresh
    for name, arguments in _arguments(chain, terms, store, known.__getitem__, known.addresses):
        chain.report(Progress("deploy", ORDER.index(name), len(ORDER), "contracts", name))
        constructor = _constructor(chain, name, arguments)
        receipt = chain.send(constructor)
        if receipt.contract is None:
            raise GatllmError(f"the chain gave no address for {name}", "check the RPC address")
        known.addresses[name] = receipt.contract
        save_deployment(state_dir, known)
        _save_source(state_dir, chain.chain_id, name, receipt.contract, constructor)
    chain.report(Progress("deploy", len(ORDER), len(ORDER), "contracts"))
    return known


def _save_source(state_dir: Path, chain_id: int, name: str, address: str, constructor: Any) -> None:
    """Write what a block explorer asks for to check a contract: the compiler's input, and how it was deployed."""
    built, source = artifact(name), source_of(name)
    folder = state_dir / f"verification-{chain_id}"
    write_file(folder / f"{name}.input.json", json.dumps(source["input"], indent=1) + "\n")
    given = {
        "address": address,
        "contract": source["contract"],
        "compiler": source["compiler"],
        "constructor_arguments": str(constructor.data_in_transaction)[len(built.bytecode) :],
        "input": f"{name}.input.json",
    }
    write_file(folder / f"{name}.json", json.dumps(given, indent=1) + "\n")


def _placeholder(name: str) -> str:
    return str(Chain.checksum("0x" + sha256(name.encode())[:40]))


def deploy_quote(chain: Chain, terms: Terms | None = None) -> Quote:
    """Return what `deploy` would cost on a chain that has none of the contracts; nothing is sent.

    Raises:
        UsageError: the terms make no sense.
        GatllmError: the chain does not answer, or the account can't pay.
    """
    terms = terms or Terms()
    terms.check()
    with tempfile.TemporaryDirectory() as scratch:
        quotes = [
            chain.quote(_constructor(chain, name, arguments))
            for name, arguments in _arguments(chain, terms, LocalStore(Path(scratch)), _placeholder)
        ]
    return sum(quotes, Quote(0, 0, 0))
