"""One account on one EVM chain: fees with a cap, transactions that survive crashes, bad nodes and reorganisations."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatllm.errors import GatllmError, UsageError
from gatllm.market.chain.connection import ChainReader, Policy
from gatllm.market.chain.outbox import Outbox, Outgoing
from gatllm.market.chain.rpc_errors import ChainUnavailableError, Refusal, classify_refusal, message_of
from gatllm.progress import Progress, Report, silent
from gatllm.proof import Key
from gatllm.records import digest

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

GWEI = 10**9
ETHER = 10**18
_OFFER_EVERY = 5  # polls: a node may drop what it took, and a reorganisation may take it out of the chain


@dataclass(frozen=True, slots=True)
class Receipt:
    """A mined transaction: ``fee`` is what its gas cost, in wei; ``contract`` the address it created."""

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


class Chain(ChainReader):
    """An EVM chain by its RPC address, seen by one account (None: reading only).

    ``state_dir`` is the folder that open transactions are kept in; without it a crash may lose sight of one.

    Raises:
        GatllmError: nothing answers, or it is another chain than ``chain_id``.
    """

    def __init__(
        self,
        rpc_url: str,
        account: LocalAccount | Key | None = None,
        chain_id: int | None = None,
        *,
        state_dir: Path | None = None,
        policy: Policy | None = None,
        report: Report = silent,
    ) -> None:
        super().__init__(rpc_url, chain_id, policy=policy, report=report)
        self.account = account.account if isinstance(account, Key) else account
        name = f"outbox-{self.chain_id}-{self.account.address.lower()}.json" if self.account else "none"
        self._outbox = Outbox(state_dir / name if state_dir and self.account else None)

    @property
    def address(self) -> str:
        """The account's address.

        Raises:
            UsageError: the chain was opened for reading only.
        """
        if self.account is None:
            raise UsageError("this needs an account", "set GATLLM_KEY or name a key file with --key")
        return str(self.account.address)

    def balance(self, address: str | None = None) -> int:
        """Return the balance of an address (default: the account's), in wei."""
        return self.balance_of(address or self.address)

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
        """Send a call (a contract function or constructor) and wait until it is mined, ``confirmations`` deep.

        The signed transaction is written down before it is sent, and kept until there is proof of its end. An equal
        call that a crash, a time-out or a node's error cut off is taken up: it is never paid twice.

        Raises:
            GatllmError: the contract refuses (its reason), the account can't pay, the fee is above the cap, or it
                is not mined in time (it is kept, and taken up by the next equal call).
        """
        identity = self._identity(call, value)
        with self._outbox.locked():
            self._settle()
            entries = self._outbox.entries()
            entry = next((e for e in entries if e.call == identity and not e.delivered), None)
            for earlier in entries:  # what is not mined before it holds up whatever comes after it
                if earlier is not entry and not earlier.refused:
                    self._offer(earlier)
            if entry is None:
                gas, max_fee, tip = self._prepare(call, value)
                entry = self._sign(call, value, gas, Outgoing(identity, self._nonce(), [], [], max_fee, tip))
            entry, problem = self._offer(entry)
        if problem is not None and entry.refused:
            raise problem
        return self._wait(entry, problem)

    def resume(self) -> list[str]:
        """Send again what an earlier process left open, and return the hashes of what is not mined yet."""
        with self._outbox.locked():
            self._settle()
            for entry in self._outbox.entries():
                if not entry.refused:  # whoever sent it was told that it failed, and may not want it any more
                    self._offer(entry)
            return [entry.hashes[-1] for entry in self._outbox.entries() if not entry.delivered]

    # What follows is how `send` works. Whatever touches the outbox is called under its lock.

    def _identity(self, call: Any, value: int) -> str:
        # Every field is given, so that nothing is asked of the chain.
        fixed = {"gas": 1, "nonce": 0, "maxFeePerGas": 1, "maxPriorityFeePerGas": 1, "chainId": self.chain_id}
        built = call.build_transaction({"from": self.address, "value": value, **fixed})
        return digest({"to": str(built.get("to", "")), "data": str(built["data"]), "value": str(value)})

    def _prepare(self, call: Any, value: int) -> tuple[int, int, int]:
        """Return gas limit, highest fee and tip (wei a unit of gas) of a call."""
        try:
            with self._answers():
                # On the block to come: what depends on the block's number is refused or not as it will be there.
                gas = int(call.estimate_gas({"from": self.address, "value": value}, "pending"))
        except GatllmError as error:
            if "insufficient funds" in str(error).lower():
                raise self._no_funds() from None
            raise
        with self._answers(), warnings.catch_warnings():
            base = int(self.web3.eth.get_block("latest").get("baseFeePerGas", 0))
            # Where the node doesn't tell, web3 takes it from the last blocks, and warns.
            warnings.simplefilter("ignore", UserWarning)
            tip = int(self.web3.eth.max_priority_fee)
        cap = int(self.policy.max_fee_gwei * GWEI)
        if base + tip > cap:
            raise GatllmError(
                f"gas costs {(base + tip) / GWEI:.3g} gwei, more than your limit of {self.policy.max_fee_gwei:g}",
                "wait, or raise --max-fee-gwei",
            )
        gas += gas // 5  # what a call uses can grow until it is mined; the rest is not paid
        max_fee = min(2 * base + tip, cap)
        if self.balance() < value + gas * max_fee:
            raise self._no_funds(value + gas * max_fee)
        return gas, max_fee, tip

    def _no_funds(self, needed: int | None = None) -> GatllmError:
        need = f", {needed / ETHER:.6g} are needed" if needed is not None else ""
        return GatllmError(
            f"{self.address} has {self.balance() / ETHER:.6g} ether{need}", "send it ether on this chain first"
        )

    def _nonce(self) -> int:
        """Return the nonce of a new call: the next one, or that of a call which no node takes as it is."""
        with self._answers():
            pending = int(self.web3.eth.get_transaction_count(self.checksum(self.address), "pending"))
        return max([pending, *(entry.nonce + 1 for entry in self._outbox.entries() if not entry.refused)])

    def _sign(self, call: Any, value: int, gas: int, entry: Outgoing) -> Outgoing:
        fields = {"from": self.address, "value": value, "gas": gas, "nonce": entry.nonce, "chainId": self.chain_id}
        fields |= {"maxFeePerGas": entry.max_fee, "maxPriorityFeePerGas": min(entry.tip, entry.max_fee)}
        return self._add_form(entry, call.build_transaction(fields))

    def _add_form(self, entry: Outgoing, transaction: dict[str, Any]) -> Outgoing:
        if self.account is None:
            raise UsageError("this needs an account")
        transaction = {name: item for name, item in transaction.items() if name != "from"}
        signed = self.account.sign_transaction(transaction)
        return self._keep(
            replace(
                entry,
                raws=[*entry.raws, "0x" + bytes(signed.raw_transaction).hex()],
                hashes=[*entry.hashes, "0x" + bytes(signed.hash).hex()],
                max_fee=int(transaction["maxFeePerGas"]),
                tip=int(transaction["maxPriorityFeePerGas"]),
            )
        )

    def _keep(self, entry: Outgoing) -> Outgoing:
        self._outbox.put(entry)
        return entry

    def _settle(self) -> None:
        """Forget what is proven to be over: told and mined in a final block, or its nonce used by another in one.

        What is mined but was told to nobody stays: the equal call that takes it up must find it.
        """
        entries = self._outbox.entries()
        if not entries:
            return
        final = self.final_block()
        try:
            with self._answers():
                used = int(self.web3.eth.get_transaction_count(self.checksum(self.address), final))
        except ChainUnavailableError:
            raise
        except GatllmError:  # a node that keeps no state this old proves nothing
            used = 0
        for entry in entries:
            receipt = self._receipt(entry)
            if entry.nonce < used if receipt is None else entry.delivered and int(receipt["blockNumber"]) <= final:
                self._outbox.remove(entry)

    def _offer(self, entry: Outgoing) -> tuple[Outgoing, GatllmError | None]:
        """Give an entry's newest form to the node; return the entry and why it was not taken.

        Whatever it answers, the entry is kept: a node that refuses may have passed it on, and another may have it.
        """
        from web3.exceptions import Web3RPCError

        try:
            if self._receipt(entry) is not None:
                return entry, None
            with self._answers():
                try:
                    self.web3.eth.send_raw_transaction(entry.raws[-1])  # type: ignore[arg-type]
                except Web3RPCError as error:
                    return self._refused(entry, message_of(error))
        except GatllmError as error:
            return entry, error
        return (self._keep(replace(entry, refused=False)) if entry.refused else entry), None

    def _refused(self, entry: Outgoing, message: str) -> tuple[Outgoing, GatllmError | None]:
        kind = classify_refusal(message)
        if kind is Refusal.KNOWN:
            return entry, None
        if kind is Refusal.LATER:
            return entry, GatllmError(f"the chain did not take the transaction yet: {message}")
        if kind is Refusal.USED:
            if self._receipt(entry) is not None:
                return entry, None
            problem = GatllmError(
                f"the account's transactions are out of step (nonce {entry.nonce})",
                "another program uses this account; let it finish, then run this again",
            )
        elif "funds" in message.lower():
            problem = self._no_funds()
        else:
            problem = GatllmError(f"the chain refused the transaction: {message}")
        return self._keep(replace(entry, refused=True)), problem

    def _receipt(self, entry: Outgoing) -> Any | None:
        from web3.exceptions import TransactionNotFound

        for hashed in entry.hashes:
            try:
                with self._answers():
                    return self.web3.eth.get_transaction_receipt(hashed)  # type: ignore[arg-type]
            except TransactionNotFound:
                continue
        return None

    def _wait(self, entry: Outgoing, problem: GatllmError | None) -> Receipt:
        started = bumped = time.monotonic()
        wanted = self.policy.confirmations
        for turn in range(1, 10**9):
            depth = 0
            try:
                receipt = self._receipt(entry)
                depth = 0 if receipt is None else self.head() - int(receipt["blockNumber"]) + 1
                if receipt is not None and depth >= wanted:
                    return self._deliver(entry, receipt)
                if receipt is None and turn % _OFFER_EVERY == 0:
                    dearer = time.monotonic() - bumped > self.policy.bump_after
                    entry, problem = self._offer_again(entry, dearer=dearer)
                    bumped = time.monotonic() if dearer else bumped
            except ChainUnavailableError as error:  # it may come back; what is sent is written down
                problem = error
            self.report(Progress("wait for the chain", depth, wanted, "blocks", problem.cause if problem else ""))
            if time.monotonic() - started > self.policy.timeout:
                why = f" ({problem.cause})" if problem is not None else ""
                raise GatllmError(
                    f"transaction {entry.hashes[-1]} is not final after {self.policy.timeout:g} s{why}",
                    "run the same command again: it is taken up, not sent twice",
                )
            time.sleep(self.policy.poll)
        raise AssertionError("unreachable")

    def _offer_again(self, entry: Outgoing, *, dearer: bool) -> tuple[Outgoing, GatllmError | None]:
        """Offer what is not mined once more, for an eighth more where that is due."""
        with self._outbox.locked():
            self._settle()
            now = self._outbox.current(entry)
            if now is None:
                if self._receipt(entry) is not None:
                    return entry, None
                raise GatllmError(
                    f"another transaction took nonce {entry.nonce} of {self.address}", "run the same command again"
                )
            return self._offer(self._raise_fee(now) if dearer else now)

    def _raise_fee(self, entry: Outgoing) -> Outgoing:
        """Sign a form that pays an eighth more, up to the cap."""
        from eth_account.typed_transactions.typed_transaction import TypedTransaction
        from hexbytes import HexBytes

        cap = int(self.policy.max_fee_gwei * GWEI)
        max_fee, tip = entry.max_fee * 9 // 8 + 1, entry.tip * 9 // 8 + 1
        if max_fee > cap:
            return entry
        fields = TypedTransaction.from_bytes(HexBytes(entry.raws[-1])).as_dict()
        unsigned = {name: item for name, item in fields.items() if name not in ("v", "r", "s", "type", "accessList")}
        return self._add_form(entry, {**unsigned, "maxFeePerGas": max_fee, "maxPriorityFeePerGas": tip})

    def _deliver(self, entry: Outgoing, receipt: Any) -> Receipt:
        """Tell how a mined transaction ended; it is forgotten once its block is final."""
        hashed = "0x" + bytes(receipt["transactionHash"]).hex()
        with self._outbox.locked():
            now = self._outbox.current(entry)
            if now is not None and int(receipt["blockNumber"]) <= self.final_block():
                self._outbox.remove(now)
            elif now is not None:
                self._keep(replace(now, delivered=True))
        if receipt["status"] != 1:
            raise self._reason(hashed, receipt)
        created = receipt.get("contractAddress")
        gas, price = int(receipt["gasUsed"]), int(receipt["effectiveGasPrice"])
        return Receipt(hashed, int(receipt["blockNumber"]), gas, gas * price, str(created) if created else None)

    def _reason(self, hashed: str, receipt: Any) -> GatllmError:
        """Return why a mined transaction failed: the same call again, on the block before."""
        try:
            with self._answers():
                sent = self.web3.eth.get_transaction(hashed)  # type: ignore[arg-type]
                again = {"from": sent["from"], "value": sent["value"], "data": sent["input"]}
                if sent.get("to"):
                    again["to"] = sent["to"]
                self.web3.eth.call(again, int(receipt["blockNumber"]) - 1)  # type: ignore[arg-type]
        except GatllmError as error:
            return error
        return GatllmError(f"transaction {hashed} failed: something changed just before it", "try again")


def call_json(call: Any, sender: str, value: int = 0) -> dict[str, str]:
    """Return a call as wallets take it (``eth_sendTransaction``): they add fees and nonce, sign, and send."""
    fixed = {"gas": 1, "nonce": 0, "maxFeePerGas": 1, "maxPriorityFeePerGas": 1, "chainId": 1}
    built = call.build_transaction({"from": Chain.checksum(sender), "value": value, **fixed})
    return {"from": str(built["from"]), "to": str(built["to"]), "data": str(built["data"]), "value": hex(value)}
