"""One account on one EVM chain: reads, fees with a cap, transactions that survive crashes and reorganisations."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatllm.errors import GatllmError, UsageError
from gatllm.market.chain.artifacts import artifact
from gatllm.market.chain.devnet import DEVNET_CHAIN_ID
from gatllm.market.chain.outbox import Outbox, Outgoing
from gatllm.market.chain.reverts import explain
from gatllm.progress import Progress, Report, silent
from gatllm.proof import Key
from gatllm.records import digest

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

GWEI = 10**9
ETHER = 10**18


@dataclass(frozen=True, slots=True)
class Receipt:
    """A final transaction: ``fee`` is what its gas cost, in wei; ``contract`` the address it created."""

    hash: str
    block: int
    gas_used: int
    fee: int
    contract: str | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """What a call would cost: ``fee`` at today's price and ``max_fee`` at most, in wei; ``value`` is sent along."""

    gas: int
    fee: int
    max_fee: int
    value: int = 0

    def __add__(self, other: Quote) -> Quote:
        return Quote(self.gas + other.gas, self.fee + other.fee, self.max_fee + other.max_fee, self.value + other.value)


@dataclass(frozen=True, slots=True)
class Policy:
    """How transactions are sent.

    ``confirmations`` blocks until one is final (1: it is mined), at most ``max_fee_gwei`` a unit of gas; after
    ``bump_after`` seconds in the queue its fee is raised by an eighth; after ``timeout`` seconds we stop waiting.
    """

    confirmations: int = 1
    max_fee_gwei: float = 100.0
    bump_after: float = 90.0
    timeout: float = 900.0
    poll: float = 1.0


class Chain:
    """An EVM chain by its RPC address, seen by one account (None: reading only).

    ``home`` is the folder that open transactions are kept in; without it a crash may lose sight of one.

    Raises:
        GatllmError: nothing answers, or it is another chain than ``chain_id``.
    """

    def __init__(
        self,
        rpc_url: str,
        account: LocalAccount | Key | None = None,
        chain_id: int | None = None,
        *,
        home: Path | None = None,
        policy: Policy | None = None,
        report: Report = silent,
    ) -> None:
        from web3 import Web3
        from web3.middleware import ExtraDataToPOAMiddleware

        self.rpc_url = rpc_url
        self.account = account.account if isinstance(account, Key) else account
        self.web3 = Web3(Web3.HTTPProvider(rpc_url, request_kwargs={"timeout": 30}))
        # Proof-of-authority chains put more into a header's extra data than web3 expects.
        self.web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
        self.report = report
        with self._answers():
            self.chain_id = int(self.web3.eth.chain_id)
        if chain_id is not None and chain_id != self.chain_id:
            raise GatllmError(
                f"{rpc_url} is chain {self.chain_id}, not {chain_id}", "give the RPC address of the chain you want"
            )
        local = self.chain_id == DEVNET_CHAIN_ID
        default = Policy(poll=0.05) if local else Policy(confirmations=3)
        self.policy = policy or default
        name = f"outbox-{self.chain_id}-{self.account.address.lower()}.json" if self.account else "none"
        self._outbox = Outbox(home / name if home and self.account else None)

    @property
    def address(self) -> str:
        """The account's address.

        Raises:
            UsageError: the chain was opened for reading only.
        """
        if self.account is None:
            raise UsageError("this needs an account", "set GATLLM_KEY or name a key file with --key")
        return str(self.account.address)

    def contract(self, name: str, address: str) -> Any:
        """Return one of our contracts at ``address``."""
        return self.web3.eth.contract(address=self.checksum(address), abi=artifact(name).abi)

    @staticmethod
    def checksum(address: str) -> Any:
        """Return ``address`` with its EIP-55 checksum.

        Raises:
            UsageError: it is no address.
        """
        from web3 import Web3

        if not Web3.is_address(address):
            raise UsageError(f"{address!r} is no address", "an address is 0x and 40 hexadecimal digits")
        return Web3.to_checksum_address(address)

    def head(self) -> int:
        """Return the number of the newest block."""
        with self._answers():
            return int(self.web3.eth.block_number)

    def timestamp(self, block: int | None = None) -> int:
        """Return the time of a block (default: the newest), in seconds since 1970."""
        with self._answers():
            return int(self.web3.eth.get_block("latest" if block is None else block)["timestamp"])

    def block_hash(self, block: int) -> str:
        """Return the hash of a block, as 64 hexadecimal digits.

        Raises:
            GatllmError: the chain has no such block yet.
        """
        with self._answers():
            return bytes(self.web3.eth.get_block(block)["hash"]).hex()

    def await_head(self, block: int, what: str = "wait for the chain") -> None:
        """Wait until the newest block is ``block`` or a later one; a local chain is told to make what is missing.

        Raises:
            GatllmError: the chain makes no block in time.
        """
        started = time.monotonic()
        while (head := self.head()) < block:
            self.report(Progress(what, head, block, "block"))
            if time.monotonic() - started > self.policy.timeout:
                raise GatllmError("the chain makes no blocks", "run the same command again later: it goes on from here")
            if self.chain_id == DEVNET_CHAIN_ID:  # it makes blocks for transactions only
                self.web3.provider.make_request("evm_mine", [])  # type: ignore[arg-type]
            else:
                time.sleep(self.policy.poll)

    def final_hash(self, block: int) -> str:
        """Wait until a block is final and return its hash.

        Raises:
            GatllmError: the chain makes no block in time.
        """
        self.await_head(block + self.policy.confirmations - 1)
        return self.block_hash(block)

    def balance(self, address: str | None = None) -> int:
        """Return the balance of an address (default: the account's), in wei."""
        with self._answers():
            return int(self.web3.eth.get_balance(self.checksum(address or self.address)))

    def has_code(self, address: str) -> bool:
        """Tell whether a contract lies at ``address``."""
        with self._answers():
            return len(self.web3.eth.get_code(self.checksum(address))) > 0

    def read(self, call: Any, *, behind: int = 0) -> Any:
        """Return what a contract function answers, ``behind`` blocks before the newest.

        Raises:
            GatllmError: the contract refuses (its reason), or nothing answers.
        """
        block: Any = "latest" if behind <= 0 else max(0, self.head() - behind)
        with self._answers():
            return call.call(block_identifier=block)

    def logs(self, event: Any, first: int = 0, **topics: Any) -> Iterator[Any]:
        """Yield the logs of one event from block ``first`` on, in steps that public endpoints accept."""
        head = self.head()
        for start in range(first, head + 1, 5_000):
            with self._answers():
                yield from event.get_logs(
                    from_block=start, to_block=min(start + 4_999, head), argument_filters=topics or None
                )

    def quote(self, call: Any, value: int = 0) -> Quote:
        """Return what a call would cost; nothing is sent.

        Raises:
            GatllmError: the contract would refuse it, or the account can't pay.
        """
        gas, max_fee, tip = self._prepare(call, value)
        with self._answers():
            base = int(self.web3.eth.get_block("latest").get("baseFeePerGas", 0))
        return Quote(gas, gas * min(base + tip, max_fee), gas * max_fee, value)

    def send(self, call: Any, value: int = 0) -> Receipt:
        """Send a call (a contract function or constructor) and wait until it is final.

        The signed transaction is written down before it is sent. An equal call that a crash cut off is taken up.

        Raises:
            GatllmError: the contract refuses (its reason), the account can't pay, the fee is above the cap, or it
                is not mined in time (it is kept, and taken up by the next equal call).
        """
        identity = self._identity(call, value)
        with self._outbox.locked():
            self._settle()
            entry = next((e for e in self._outbox.entries() if e.call == identity), None)
            if entry is None:
                gas, max_fee, tip = self._prepare(call, value)
                entry = self._sign(call, value, gas, Outgoing(identity, self._nonce(), [], [], max_fee, tip))
            self._broadcast(entry)
        return self._wait(entry)

    def resume(self) -> list[str]:
        """Send again what an earlier process left open, and return the hashes of what is open still."""
        with self._outbox.locked():
            self._settle()
            for entry in self._outbox.entries():
                self._broadcast(entry)
            return [entry.hashes[-1] for entry in self._outbox.entries()]

    # What follows is how `send` works.

    def _identity(self, call: Any, value: int) -> str:
        # Every field is given, so that nothing is asked of the chain.
        fixed = {"gas": 1, "nonce": 0, "maxFeePerGas": 1, "maxPriorityFeePerGas": 1, "chainId": self.chain_id}
        built = call.build_transaction({"from": self.address, "value": value, **fixed})
        return digest({"to": str(built.get("to", "")), "data": str(built["data"]), "value": str(value)})

    def _prepare(self, call: Any, value: int) -> tuple[int, int, int]:
        """Return gas limit, highest fee and tip (wei a unit of gas) of a call."""
        with self._answers():
            # On the block to come: what depends on the block's number is refused or not as it will be there.
            gas = int(call.estimate_gas({"from": self.address, "value": value}, "pending"))
            base = int(self.web3.eth.get_block("latest").get("baseFeePerGas", 0))
            tip = int(self.web3.eth.max_priority_fee)
            balance = int(self.web3.eth.get_balance(self.checksum(self.address)))
        cap = int(self.policy.max_fee_gwei * GWEI)
        if base + tip > cap:
            raise GatllmError(
                f"gas costs {(base + tip) / GWEI:.3g} gwei, more than your limit of {self.policy.max_fee_gwei:g}",
                "wait, or raise --max-fee-gwei",
            )
        gas += gas // 5  # what a call uses can grow until it is mined; the rest is not paid
        max_fee = min(2 * base + tip, cap)
        if balance < value + gas * max_fee:
            raise _no_funds(self.address, balance, value + gas * max_fee)
        return gas, max_fee, tip

    def _nonce(self) -> int:
        with self._answers():
            pending = int(self.web3.eth.get_transaction_count(self.checksum(self.address), "pending"))
        return max([pending, *(entry.nonce + 1 for entry in self._outbox.entries())])

    def _sign(self, call: Any, value: int, gas: int, entry: Outgoing) -> Outgoing:
        fields = {"from": self.address, "value": value, "gas": gas, "nonce": entry.nonce, "chainId": self.chain_id}
        fields |= {"maxFeePerGas": entry.max_fee, "maxPriorityFeePerGas": min(entry.tip, entry.max_fee)}
        return self._add_form(entry, call.build_transaction(fields))

    def _add_form(self, entry: Outgoing, transaction: dict[str, Any]) -> Outgoing:
        if self.account is None:
            raise UsageError("this needs an account")
        transaction = {name: item for name, item in transaction.items() if name != "from"}
        signed = self.account.sign_transaction(transaction)
        entry = replace(
            entry,
            raws=[*entry.raws, "0x" + bytes(signed.raw_transaction).hex()],
            hashes=[*entry.hashes, "0x" + bytes(signed.hash).hex()],
            max_fee=int(transaction["maxFeePerGas"]),
            tip=int(transaction["maxPriorityFeePerGas"]),
        )
        self._outbox.put(entry)
        return entry

    def _settle(self) -> None:
        """Forget entries that can never be mined: another transaction took their nonce."""
        entries = self._outbox.entries()
        if not entries:
            return
        with self._answers():
            mined = int(self.web3.eth.get_transaction_count(self.checksum(self.address), "latest"))
        for entry in entries:
            if entry.nonce < mined and self._receipt(entry) is None:
                self._outbox.remove(entry)

    def _broadcast(self, entry: Outgoing) -> None:
        from web3.exceptions import Web3RPCError

        if self._receipt(entry) is not None:
            return
        try:
            with self._answers(raw=True):
                self.web3.eth.send_raw_transaction(entry.raws[-1])  # type: ignore[arg-type]
        except Web3RPCError as error:
            message = str(error).lower()
            if any(known in message for known in ("already known", "already imported", "alreadyknown")):
                return
            if "nonce too low" in message and self._receipt(entry) is not None:
                return
            self._outbox.remove(entry)
            if "nonce" in message:
                raise GatllmError(
                    f"the account's transactions are out of step (nonce {entry.nonce})",
                    "another program uses this account; let it finish, then run this again",
                ) from None
            if "insufficient funds" in message:
                raise _no_funds(self.address, self.balance(), None) from None
            raise GatllmError(f"the chain refused the transaction: {_message(error)}") from None

    def _receipt(self, entry: Outgoing) -> Any | None:
        from web3.exceptions import TransactionNotFound

        for hashed in entry.hashes:
            try:
                with self._answers(raw=True):
                    return self.web3.eth.get_transaction_receipt(hashed)  # type: ignore[arg-type]
            except TransactionNotFound:
                continue
        return None

    def _wait(self, entry: Outgoing) -> Receipt:
        started = bumped = time.monotonic()
        wanted = self.policy.confirmations
        mined_before = False
        while True:
            receipt = self._receipt(entry)
            depth = 0 if receipt is None else self.head() - int(receipt["blockNumber"]) + 1
            if receipt is not None and depth >= wanted:
                return self._final(entry, receipt)
            self.report(Progress("wait for the chain", depth, wanted, "blocks"))
            now = time.monotonic()
            if receipt is None and mined_before:  # a reorganisation took it out of the chain again
                self._broadcast(entry)
            mined_before = receipt is not None
            if receipt is None and now - bumped > self.policy.bump_after:
                entry, bumped = self._bump(entry), now
            if now - started > self.policy.timeout:
                raise GatllmError(
                    f"transaction {entry.hashes[-1]} is not final after {self.policy.timeout:g} s",
                    "run the same command again: it is taken up, not sent twice",
                )
            time.sleep(self.policy.poll)

    def _bump(self, entry: Outgoing) -> Outgoing:
        """Offer an eighth more for a transaction that nobody mines, up to the cap."""
        from eth_account.typed_transactions.typed_transaction import TypedTransaction
        from hexbytes import HexBytes

        cap = int(self.policy.max_fee_gwei * GWEI)
        max_fee, tip = entry.max_fee * 9 // 8 + 1, entry.tip * 9 // 8 + 1
        if max_fee > cap:
            return entry
        fields = TypedTransaction.from_bytes(HexBytes(entry.raws[-1])).as_dict()
        unsigned = {name: item for name, item in fields.items() if name not in ("v", "r", "s", "type", "accessList")}
        entry = self._add_form(entry, {**unsigned, "maxFeePerGas": max_fee, "maxPriorityFeePerGas": tip})
        self._broadcast(entry)
        return entry

    def _final(self, entry: Outgoing, receipt: Any) -> Receipt:
        hashed = "0x" + bytes(receipt["transactionHash"]).hex()
        self._outbox.remove(entry)
        if receipt["status"] != 1:
            raise self._reason(hashed, receipt)
        created = receipt.get("contractAddress")
        gas, price = int(receipt["gasUsed"]), int(receipt["effectiveGasPrice"])
        return Receipt(hashed, int(receipt["blockNumber"]), gas, gas * price, str(created) if created else None)

    def _reason(self, hashed: str, receipt: Any) -> GatllmError:
        """Return why a mined transaction failed: the same call again, on the block before."""
        sent = self.web3.eth.get_transaction(hashed)  # type: ignore[arg-type]
        again = {"from": sent["from"], "value": sent["value"], "data": sent["input"]}
        if sent.get("to"):
            again["to"] = sent["to"]
        try:
            with self._answers():
                self.web3.eth.call(again, int(receipt["blockNumber"]) - 1)  # type: ignore[arg-type]
        except GatllmError as error:
            return error
        return GatllmError(f"transaction {hashed} failed: something changed just before it", "try again")

    @contextmanager
    def _answers(self, *, raw: bool = False) -> Iterator[None]:
        """Turn what web3 raises into errors of ours; with ``raw`` the chain's own answers pass."""
        from requests import RequestException
        from web3.exceptions import BadFunctionCallOutput, BlockNotFound, ContractLogicError, Web3Exception

        try:
            yield
        except RequestException:
            raise GatllmError(
                f"nothing answers at {self.rpc_url}", "check the address and that the chain runs"
            ) from None
        except ContractLogicError as error:
            raise explain(error.data, error.message or "") from None
        except BadFunctionCallOutput:
            raise GatllmError(
                "there is no such contract on this chain", "check the addresses, or run: gatllm market deploy"
            ) from None
        except BlockNotFound:
            raise GatllmError("the chain has no such block yet", "wait for it") from None
        except Web3Exception as error:
            if raw:
                raise
            if "insufficient funds" in str(error).lower():
                raise _no_funds(self.address, self.balance(), None) from None
            raise GatllmError(f"the chain answers: {_message(error)}") from None
        except ValueError as error:
            raise GatllmError(f"{self.rpc_url} does not answer as a chain does: {error}", "check the address") from None


def call_json(call: Any, sender: str, value: int = 0) -> dict[str, str]:
    """Return a call as wallets take it (``eth_sendTransaction``): they add fees and nonce, sign, and send."""
    fixed = {"gas": 1, "nonce": 0, "maxFeePerGas": 1, "maxPriorityFeePerGas": 1, "chainId": 1}
    built = call.build_transaction({"from": Chain.checksum(sender), "value": value, **fixed})
    return {"from": str(built["from"]), "to": str(built["to"]), "data": str(built["data"]), "value": hex(value)}


def _message(error: Exception) -> str:
    answer = getattr(error, "rpc_response", None) or {}
    return str(answer.get("error", {}).get("message", error)) if isinstance(answer, dict) else str(error)


def _no_funds(address: str, balance: int, needed: int | None) -> GatllmError:
    need = f", {needed / ETHER:.6g} are needed" if needed is not None else ""
    return GatllmError(f"{address} has {balance / ETHER:.6g} ether{need}", "send it ether on this chain first")
