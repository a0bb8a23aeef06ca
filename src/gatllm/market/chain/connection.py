"""An EVM chain by its RPC address, read: blocks, balances, contracts, events, and which block is final."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from gatllm.errors import GatllmError, UsageError
from gatllm.market.chain.artifacts import artifact
from gatllm.market.chain.devnet import DEVNET_CHAIN_ID
from gatllm.market.chain.rpc_errors import ChainUnavailableError, translated_rpc_errors
from gatllm.progress import Progress, Report, silent


@dataclass(frozen=True, slots=True)
class Policy:
    """How transactions are sent.

    One counts as mined after ``confirmations`` blocks (1: it is in a block), and costs at most ``max_fee_gwei`` a unit
    of gas; after ``bump_after`` seconds in the queue its fee is raised by an eighth; after ``timeout`` seconds we stop
    waiting.
    """

    confirmations: int = 1
    max_fee_gwei: float = 100.0
    bump_after: float = 90.0
    timeout: float = 900.0
    poll: float = 1.0


class ChainReader:
    """An EVM chain by its RPC address, for reading.

    Raises:
        GatllmError: nothing answers, or it is another chain than ``chain_id``.
    """

    def __init__(
        self,
        rpc_url: str,
        chain_id: int | None = None,
        *,
        policy: Policy | None = None,
        report: Report = silent,
    ) -> None:
        from web3 import Web3
        from web3.middleware import ExtraDataToPOAMiddleware

        self.rpc_url = rpc_url
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
        self.local = self.chain_id == DEVNET_CHAIN_ID
        self.policy = policy or (Policy(poll=0.05) if self.local else Policy(confirmations=3))
        # None: not asked yet. A local chain's own idea of finality lags by 64 blocks that nobody makes.
        self.has_finality: bool | None = False if self.local else None

    def contract(self, name: str, address: str) -> Any:
        """Return one of our contracts at ``address``."""
        return self.web3.eth.contract(address=self.checksum(address), abi=artifact(name).abi)

    @staticmethod
    def checksum(address: str) -> Any:
        """Return ``address`` with its EIP-55 checksum.

        Raises:
            UsageError: it is not an address.
        """
        from web3 import Web3

        if not Web3.is_address(address):
            raise UsageError(f"{address!r} is not an address", "an address is 0x and 40 hexadecimal digits")
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
                raise GatllmError("the chain makes no blocks", "run the same command later: it resumes")
            if self.local:  # it makes blocks for transactions only
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

    def balance_of(self, address: str) -> int:
        """Return the balance of an address, in wei."""
        with self._answers():
            return int(self.web3.eth.get_balance(self.checksum(address)))

    def gas_price(self) -> int:
        """Return what a unit of gas costs now, in wei."""
        with self._answers():
            return int(self.web3.eth.gas_price)

    def has_code(self, address: str) -> bool:
        """Tell whether a contract lies at ``address``."""
        with self._answers():
            return len(self.web3.eth.get_code(self.checksum(address))) > 0

    def confirmed_block(self) -> int:
        """Return the newest block that is ``confirmations`` deep: what payments of little value are taken by."""
        return max(0, self.head() - self.policy.confirmations + 1)

    def final_block(self) -> int:
        """Return the newest block that no reorganisation takes back.

        The chain's own ``finalized`` tag where it has one (and never less than ``confirmations`` deep), else the newest
        confirmed block.
        """
        confirmed = self.confirmed_block()
        if self.has_finality is False:
            return confirmed
        try:
            with self._answers():
                final = int(self.web3.eth.get_block("finalized")["number"])
        except ChainUnavailableError:
            if self.has_finality:
                raise
            return confirmed
        except GatllmError:  # the node does not know the tag
            self.has_finality = False
            return confirmed
        self.has_finality = True
        return min(final, confirmed)

    def read(self, call: Any, *, at: int | None = None) -> Any:
        """Return what a contract function answers in a block (default: the newest).

        Raises:
            GatllmError: the contract refuses (its reason), or nothing answers.
        """
        with self._answers():
            return call.call(block_identifier="latest" if at is None else at)

    def logs(self, event: Any, first: int = 0, **topics: Any) -> Iterator[Any]:
        """Yield the logs of one event from block ``first`` on, in steps that public endpoints accept."""
        head = self.head()
        for start in range(first, head + 1, 5_000):
            with self._answers():
                yield from event.get_logs(
                    from_block=start, to_block=min(start + 4_999, head), argument_filters=topics or None
                )

    def _answers(self) -> AbstractContextManager[None]:
        """Turn what web3 raises into errors of ours."""
        return translated_rpc_errors(self.rpc_url)
