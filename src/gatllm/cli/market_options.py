"""The options that market commands share: which chain, which account, where things are kept, how to print."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from gatllm.cli.amounts import ETHER, ether, receipt_json
from gatllm.cli.console import note, out, print_json, progress_report, table
from gatllm.errors import GatllmError, UsageError
from gatllm.progress import Report, silent

if TYPE_CHECKING:
    from gatllm.market import Chain, DatasetTokens, Deployment, KeyVault, Quote, Receipt, Store, Subscriptions
    from gatllm.proof import Key
    from gatllm.service.market import Market


def default_state_dir() -> Path:
    """Return the folder of the market's files, beside the trainer's key."""
    from gatllm.proof import default_key_path

    return default_key_path().parent / "market"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class MarketOptions:
    """Which chain, which account, where things are kept."""

    rpc: Annotated[str | None, Parameter(env_var="GATLLM_RPC")] = None
    "RPC address of the chain; by default the local chain of `gatllm market devnet`."
    chain_id: Annotated[int | None, Parameter(env_var="GATLLM_CHAIN_ID")] = None
    "Refuse to talk to any other chain."
    key: Path | None = None
    "Key file (bare or keystore); by default GATLLM_KEY, else your own key. Never the key itself."
    state_dir: Annotated[Path | None, Parameter(env_var="GATLLM_STATE_DIR")] = None
    "Folder of addresses, open transactions and content keys."
    address_book: Annotated[str | None, Parameter(name="--deployment", env_var="GATLLM_DEPLOYMENT")] = None
    "Where the contracts lie: the address book that `deploy` wrote (a file), or where it is served (an URL)."
    store: Annotated[str | None, Parameter(env_var="GATLLM_STORE")] = None
    "Where content lies: a folder, kubo:URL or gateway:URL; by default a folder in --state-dir."
    confirmations: int | None = None
    "Blocks until a transaction counts as mined; 1 on a local chain, else 3."
    max_fee_gwei: float = 100.0
    "The most to pay for a unit of gas."
    home: Annotated[str | None, Parameter(show=False, env_var="GATLLM_MARKET_HOME")] = None  # until the next release

    @property
    def folder(self) -> Path:
        """The folder of the market's files."""
        if self.home is not None:
            raise UsageError("--home (GATLLM_MARKET_HOME) is called --state-dir (GATLLM_STATE_DIR) now", "rename it")
        return self.state_dir or default_state_dir()

    def address(self) -> str:
        """Return the RPC address.

        Raises:
            UsageError: none was named and no local chain runs.
        """
        from gatllm.market import running_url

        found = self.rpc or running_url(self.folder / "devnet")
        if found is None:
            raise UsageError("no chain is named and no local one runs", "give --rpc URL, or run: gatllm market devnet")
        return found

    def account(self, *, create: bool = True) -> Key:
        """Return the key of the account."""
        from gatllm.proof import load_key

        return load_key(self.key, create=create)

    def chain(self, *, account: bool = True, report: Report = silent) -> Chain:
        """Open the chain, with the account where one is needed; on a local chain an empty account is given ether."""
        from gatllm.market import Chain, Policy

        key = self.account() if account else None
        chain = Chain(self.address(), key, self.chain_id, state_dir=self.folder, report=report)
        chain.policy = Policy(
            confirmations=self.confirmations or (1 if chain.local else 3),
            max_fee_gwei=self.max_fee_gwei,
            poll=0.05 if chain.local else 1.0,
        )
        if chain.local and key is not None and chain.balance() == 0:
            chain.web3.provider.make_request("anvil_setBalance", [key.address, hex(10 * ETHER)])  # type: ignore[arg-type]
            note(f"the local chain gives {key.address} 10 ETH to play with")
        return chain

    def deployment(self, chain: Chain) -> Deployment:
        """Return where the contracts lie on this chain."""
        from gatllm.market import fetch_deployment, load_deployment

        if self.address_book is not None:
            return fetch_deployment(self.address_book, chain.chain_id)
        return load_deployment(self.folder, chain.chain_id)

    def tokens(self, *, account: bool = True, report: Report = silent) -> DatasetTokens:
        """Return the dataset tokens of the deployment."""
        from gatllm.market import DatasetTokens

        chain = self.chain(account=account, report=report)
        return DatasetTokens(chain, self.deployment(chain))

    def subscriptions(self, report: Report = silent) -> Subscriptions:
        """Return the subscription of the deployment."""
        from gatllm.market import Subscriptions

        chain = self.chain(report=report)
        return Subscriptions(chain, self.deployment(chain))

    def vault(self) -> KeyVault:
        """Return where content keys lie; GATLLM_KEY_PASSWORD encrypts them, as it does the key file."""
        import os

        from gatllm.market import KeyVault
        from gatllm.proof import PASSWORD_VARIABLE

        return KeyVault(self.folder / "keys", os.environ.get(PASSWORD_VARIABLE))

    def open_store(self) -> Store:
        """Return the place of content."""
        from gatllm.market import open_store

        return open_store(self.store or str(self.folder / "store"))


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ReadOptions(MarketOptions):
    """Which chain and where, and how a command prints what it found there."""

    json: bool = False
    "Print JSON instead of a table."

    @contextmanager
    def working(self) -> Iterator[Report]:
        """Show progress, unless JSON is asked for."""
        with progress_report(quiet=self.json) as report:
            yield report

    def show(self, value: Any, title: str, rows: Sequence[Sequence[object]]) -> None:
        """Print ``value`` as JSON, or ``rows`` as a table of two columns."""
        if self.json:
            print_json(value)
        else:
            table(title, ("what", "value"), rows)

    def show_sent(
        self, title: str, token: str, receipt: Receipt, rows: Sequence[Sequence[object]] = (), **more: object
    ) -> None:
        """Print what a transaction did to a token, and what it cost."""
        value = {"token": token, **more, **(receipt_json(receipt) or {})}
        self.show(value, title, [("token", token), *rows, ("fee", ether(receipt.fee))])


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SendOptions(ReadOptions):
    """Which chain and where, how a command that sends transactions prints, and whether it sends them."""

    dry_run: bool = False
    "Show the cost; send nothing, write nothing."

    def show_quote(self, quote: Quote) -> None:
        """Print what a dry run found out."""
        show_quote(quote, json=self.json)


OPTIONS, READ_OPTIONS, SEND_OPTIONS = MarketOptions(), ReadOptions(), SendOptions()


def open_market(rpc: str | None, site: str) -> Market:
    """Return what the market's pages work on; ``site`` is the address that people reach the service by.

    Raises:
        GatllmError: nothing answers, or the contracts are not deployed on that chain.
    """
    from urllib.parse import urlsplit

    from gatllm.market import DatasetTokens, SignIn, Subscriptions
    from gatllm.service.market import Market

    setting = MarketOptions(rpc=rpc)
    chain, folder = setting.chain(account=False), setting.folder
    deployment = setting.deployment(chain)
    domain = urlsplit(site).netloc
    return Market(
        tokens=DatasetTokens(chain, deployment),
        subscriptions=Subscriptions(chain, deployment),
        deployment=deployment,
        vault=setting.vault(),
        signin=SignIn(
            folder / "challenges", domain=domain, uri=f"{site}/market", chain_id=chain.chain_id, rpc_url=chain.rpc_url
        ),
        store=setting.open_store(),
        state_dir=folder,
    )


def show_quote(quote: Quote, *, json: bool) -> None:
    """Print what a dry run found out."""
    # wei as strings: JSON's numbers end at 2**53
    fees = {"fee_wei": str(quote.fee), "max_fee_wei": str(quote.max_fee), "value_wei": str(quote.value)}
    rows = [
        ("gas, at most", f"{quote.gas:,}"),
        ("fee now", ether(quote.fee)),
        ("fee, at most", ether(quote.max_fee)),
        ("payment", ether(quote.value)),
    ]
    value = {"dry_run": True, "gas": quote.gas, **fees}
    ReadOptions(json=json).show(value, "dry run: nothing was sent", rows)


def file_of(path: Path) -> bytes:
    """Return the bytes of a file that the user named.

    Raises:
        GatllmError: it can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise GatllmError(f"can't read {path}: {error.strerror}", "check the path") from None


def print_path(path: Path) -> None:
    """Print the name of what was made, on stdout."""
    out.print(str(path), markup=False)
