"""Proofs of training on a Substrate chain: a signed remark in a block, which nobody can change, take away or squat.

The remark holds the four hashes, the signer and its EIP-712 signature over the proof, 237 bytes in all. What counts is
that the block holds it: an item of the Uniques pallet, which was used before, can be destroyed with its collection by
the collection's owner. `proof.substrate.json` beside the proof says in which block to look. Whoever wrote that, the
chain is asked, and the signature decides whose proof it is.

The client is py-substrate-interface. Its successor, async-substrate-interface 2.2.1, needs metadata V15, which the
runtime of the tests lacks, and its codec (cyscale) can't be installed beside scalecodec (measured).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gatllm.errors import GatllmError
from gatllm.proof import SUBSTRATE_FILE, Proof, Registration, recover_proof
from gatllm.records import canonical_bytes, write_file

_TAG = b"gatllm/training-proof/v2"


@dataclass(frozen=True, slots=True)
class Extrinsic:
    """An included transaction: ``fee`` in the chain's smallest unit, ``genesis`` names the chain."""

    hash: str
    block: int
    block_hash: str
    genesis: str
    fee: int


class SubstrateRegistry:
    """Proofs in the blocks of a Substrate chain.

    ``secret`` is the account's secret URI or seed (None: reading only); ``run`` the folder that holds the receipts.

    Raises:
        GatllmError: the optional packages are missing, or nothing answers.
    """

    def __init__(self, url: str, run: Path, secret: str | None = None, *, finalised: bool = False) -> None:
        try:
            from substrateinterface import Keypair, SubstrateInterface
        except ImportError:
            raise GatllmError("the Substrate client is not installed", "pip install 'gatllm[substrate]'") from None
        self.url, self.receipt = url, run / SUBSTRATE_FILE
        self._finalised = finalised
        with self._answers():
            self._chain: Any = SubstrateInterface(url=url)
        try:
            with self._answers():
                self.genesis = str(self._chain.get_block_hash(0))
            self._key: Any = Keypair.create_from_uri(secret) if secret else None
        except GatllmError:
            self.close()
            raise
        except Exception:  # the library's messages may quote the secret
            self.close()
            raise GatllmError("the account's secret makes no sense", "it is a phrase, a seed or a URI") from None

    def close(self) -> None:
        """Close the connection."""
        self._chain.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def registrar(self) -> str:
        """The address (SS58) that pays.

        Raises:
            GatllmError: the chain was opened for reading only.
        """
        if self._key is None:
            raise GatllmError("registering needs an account", "give its secret by GATLLM_SUBSTRATE_SECRET")
        return str(self._key.ss58_address)

    def register(self, proof: Proof) -> Extrinsic | None:
        """Register a proof's four hashes and leave the receipt beside it; None when this is done already.

        Raises:
            GatllmError: the account can't pay, or the chain refuses.
        """
        if self.registration_of(proof) is not None:
            return None
        made = self.register_training_proof(*proof.hashes.as_bytes32(), witness=_witness(proof))
        write_file(self.receipt, canonical_bytes({**asdict(made), "fee": str(made.fee)}) + b"\n")
        return made

    def register_training_proof(
        self, data_hash: str, model_hash: str, output_hash: str, log_hash: str, *, witness: bytes
    ) -> Extrinsic:
        """Send the four hashes (``0x…``); ``witness`` is the signer's address and signature, 85 bytes.

        A pallet with a call of this name takes the place of the remark here, without a change above.

        Raises:
            GatllmError: the account can't pay, or the chain refuses.
        """
        hashes = (data_hash, model_hash, output_hash, log_hash)
        with self._answers():
            remark = _TAG + b"".join(bytes.fromhex(value[2:]) for value in hashes) + witness
            call = self._chain.compose_call("System", "remark_with_event", {"remark": "0x" + remark.hex()})
        return self._send(call)

    def registration_of(self, proof: Proof) -> Registration | None:
        """Return what the block that the receipt names holds about a proof, or None.

        Raises:
            GatllmError: the receipt is of another chain, or the block is none of this chain.
        """
        told = self._receipt()
        if told is None:
            return None
        if told["genesis"] != self.genesis:
            raise GatllmError(f"{self.receipt.name} is about another chain than {self.url}", "name its node")
        with self._answers():
            block_hash = self._chain.get_block_hash(told["block"])
            if block_hash is None or block_hash != told["block_hash"]:
                raise GatllmError(
                    f"block {told['block']} of this chain is another", "it was never final: register again"
                )
            events = [event.value for event in self._chain.query("System", "Events", block_hash=block_hash)]
        expected = "0x" + hashlib.blake2b(_payload(proof), digest_size=32).hexdigest()
        if not any(_remarked(event) == expected for event in events):
            return None
        # The remark's hash is over all of it: it holds these hashes, this signer and this signature, and no others.
        signer = recover_proof(proof)
        return None if signer is None else Registration(proof.hashes, signer)

    def _receipt(self) -> dict[str, Any] | None:
        try:
            told = json.loads(self.receipt.read_bytes())
            return {"genesis": str(told["genesis"]), "block": int(told["block"]), "block_hash": str(told["block_hash"])}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            raise GatllmError(f"{self.receipt.name} is damaged", "get it again, or remove it and register") from None

    def _send(self, call: Any) -> Extrinsic:
        payer = self.registrar
        with self._answers(payer):
            signed = self._chain.create_signed_extrinsic(call, self._key)
            receipt = self._chain.submit_extrinsic(
                signed, wait_for_inclusion=True, wait_for_finalization=self._finalised
            )
            if not receipt.is_success:
                raise GatllmError(f"the chain refused: {(receipt.error_message or {}).get('name', 'no reason given')}")
            block = int(self._chain.get_block_number(receipt.block_hash))
            fee = int(receipt.total_fee_amount or 0)
            return Extrinsic(str(receipt.extrinsic_hash), block, str(receipt.block_hash), self.genesis, fee)

    @contextmanager
    def _answers(self, payer: str = "") -> Iterator[None]:
        """Turn what the library raises into errors of ours."""
        from substrateinterface.exceptions import SubstrateRequestException

        try:
            yield
        except GatllmError:
            raise
        except SubstrateRequestException as error:
            detail = (
                error.args[0].get("data") or error.args[0].get("message") if isinstance(error.args[0], dict) else error
            )
            if payer and "payment" in str(detail).lower():
                raise GatllmError(f"{payer} can't pay the fee", "send it some of the chain's coin") from None
            raise GatllmError(f"the chain answers: {' '.join(str(detail).split())}") from None
        except (OSError, EOFError) as error:
            raise GatllmError(f"nothing answers at {self.url} ({error})", "check the address") from None
        except Exception as error:  # websocket-client and scalecodec have a base class each, none in common
            raise GatllmError(f"{self.url}: {type(error).__name__}: {error}", "is it a Substrate node?") from None


def _witness(proof: Proof) -> bytes:
    """Return the signer's address and EIP-712 signature, 20 and 65 bytes.

    Raises:
        GatllmError: the proof is not signed by its signer.
    """
    if recover_proof(proof) != proof.signer:
        raise GatllmError("the proof is not signed by the one whom it names", "write it anew: gatllm proof write")
    return bytes.fromhex(proof.signer[2:]) + bytes.fromhex(proof.signatures[0]["signature"][2:])


def _payload(proof: Proof) -> bytes:
    return _TAG + b"".join(bytes.fromhex(value[2:]) for value in proof.hashes.as_bytes32()) + _witness(proof)


def _remarked(event: Any) -> str | None:
    """Return the hash of an event ``System.Remarked``, None for others; old runtimes give its fields by position."""
    inner = event.get("event", event) if isinstance(event, dict) else {}
    if (inner.get("module_id"), inner.get("event_id")) != ("System", "Remarked"):
        return None
    values = inner.get("attributes")
    found = values.get("hash") if isinstance(values, dict) else values[-1] if isinstance(values, list | tuple) else None
    return str(found) if found is not None else None
