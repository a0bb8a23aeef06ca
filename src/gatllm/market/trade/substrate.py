"""Proofs of training on a Substrate chain that has the Uniques pallet: frozen attributes, and a remark in the block.

One atomic batch mints an item, sets the four hashes and the signer as its attributes, freezes it with the statement's
digest (from then on nobody can change them), and remarks the same 128 bytes, so that the block itself tells them. An
item that is not frozen does not count. Works on old and new runtimes (the parameters are found in the metadata).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from gatllm.errors import GatllmError, UsageError
from gatllm.proof import Hashes, Proof, Registration

_NAMES = ("data_hash", "model_hash", "output_hash", "log_hash")
_TAG = b"gatllm/training-proof/v1"
_PROBES = 16  # item numbers have 32 bits: two runs may want the same one


class Anchor(Protocol):
    """Where a registration stands: the transaction and its block."""

    @property
    def hash(self) -> str:
        """The transaction."""

    @property
    def block(self) -> int:
        """The number of its block."""


class ProofChain(Protocol):
    """What every registry of proofs offers, whatever the chain."""

    def register(self, proof: Proof) -> Anchor | None:
        """Register a proof's four hashes; None when this is done already."""

    def registration_of(self, proof: Proof) -> Registration | None:
        """Return what is registered about the run of a proof, or None."""


@dataclass(frozen=True, slots=True)
class Extrinsic:
    """An included transaction: ``fee`` in the chain's smallest unit."""

    hash: str
    block: int
    fee: int


class SubstrateRegistry:
    """Proofs in one collection of the Uniques pallet, which belongs to the account; made on the first registration.

    ``secret`` is the account's secret URI or seed (None: reading only); ``registrar`` the address (SS58) whose
    registrations are read (default: the account's).

    Raises:
        GatllmError: the optional packages are missing, nothing answers, or the chain has no Uniques pallet.
    """

    def __init__(
        self, url: str, secret: str | None = None, *, registrar: str | None = None, finalised: bool = False
    ) -> None:
        try:
            from substrateinterface import Keypair, SubstrateInterface
        except ImportError:
            raise GatllmError("the Substrate client is not installed", "pip install 'gatllm[substrate]'") from None
        self.url = url
        self._finalised = finalised
        with self._answers():
            self._chain: Any = SubstrateInterface(url=url)
        try:
            self._open(secret, registrar, Keypair)
        except BaseException:
            self.close()
            raise

    def _open(self, secret: str | None, registrar: str | None, keypair: Any) -> None:
        with self._answers():
            if self._chain.get_metadata_call_function("Uniques", "set_attribute") is None:
                raise GatllmError(f"{self.url} is a chain without the Uniques pallet", "use an asset hub")
        try:
            self._key: Any = keypair.create_from_uri(secret) if secret else None
        except Exception:  # the library's messages may quote the secret
            raise GatllmError("the account's secret makes no sense", "it is a phrase, a seed or a URI") from None
        address = registrar or (self._key.ss58_address if self._key else None)
        if address is None:
            raise GatllmError("neither an account nor a registrar is named", "name whose registrations to read")
        self.registrar = str(address)
        # Collections are numbered by whoever makes them first: ours is drawn from the account.
        self.collection = int.from_bytes(hashlib.blake2b(_account(self.registrar), digest_size=4).digest())

    def close(self) -> None:
        """Close the connection."""
        self._chain.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def register(self, proof: Proof) -> Extrinsic | None:
        """Register a proof's four hashes; None when this is done already.

        Raises:
            GatllmError: another result of this run is registered, the account can't pay, or the chain refuses.
        """
        known = self.registration_of(proof)
        if known is not None:
            if known.hashes != proof.hashes or known.trainer.lower() != proof.signer.lower():
                raise GatllmError("another result of this run is registered already", "a run is registered once")
            return None
        if self._key is None:
            raise GatllmError("registering needs an account", "give its secret by GATLLM_SUBSTRATE_SECRET")
        calls = [] if self._has_collection() else [self._call("create", self.collection, self.registrar)]
        return self._send([*calls, *self._register_calls(proof)])

    def registration_of(self, proof: Proof) -> Registration | None:
        """Return what the registrar registered about the run of a proof, or None; only what is frozen counts."""
        for item in self._items(proof):
            attributes = self._attributes(item)
            if not attributes:
                return None
            if attributes.get("run") == _run(proof):
                if not self._is_frozen(item):
                    raise GatllmError(f"item {item} can still be changed", "it was not registered by this program")
                hashes = Hashes(*(attributes[name].hex() for name in _NAMES))
                return Registration(hashes, "0x" + attributes["signer"].hex())
        return None

    def _register_calls(self, proof: Proof) -> Iterator[Any]:
        item = next(item for item in self._items(proof) if not self._attributes(item))
        values = {name: bytes.fromhex(getattr(proof.hashes, name)) for name in _NAMES}
        payload = _TAG + b"".join(values.values())
        values |= {"run": _run(proof), "signer": bytes.fromhex(proof.signer[2:])}
        yield self._call("mint", self.collection, item, self.registrar)
        for name, value in values.items():
            yield self._call("set_attribute", self.collection, item, name.encode(), value)
        yield self._call("set_metadata", self.collection, item, bytes.fromhex(proof.digest()), True)
        with self._answers():
            yield self._chain.compose_call("System", "remark_with_event", {"remark": "0x" + payload.hex()})

    def _items(self, proof: Proof) -> Iterator[int]:
        first = int.from_bytes(_run(proof)[:4])
        return ((first + step) % 2**32 for step in range(_PROBES))

    def _call(self, function: str, *values: Any) -> Any:
        """Compose a call by the position of its parameters: their names differ between runtimes."""
        with self._answers():
            names = [
                argument.value["name"] for argument in self._chain.get_metadata_call_function("Uniques", function).args
            ]
            given = ["0x" + value.hex() if isinstance(value, bytes) else value for value in values]
            return self._chain.compose_call("Uniques", function, dict(zip(names, given, strict=True)))

    def _query(self, names: tuple[str, ...], *keys: Any) -> Any:
        with self._answers():
            present = {item.value["name"] for item in self._chain.get_metadata_module("Uniques").storage}
            name = next(name for name in names if name in present)
            return self._chain.query("Uniques", name, list(keys)).value

    def _has_collection(self) -> bool:
        found = self._query(("Class", "Collection"), self.collection)
        if found is not None and _account(found["owner"]) != _account(self.registrar):
            raise GatllmError(f"collection {self.collection} belongs to {found['owner']}", "use another account")
        return found is not None

    def _is_frozen(self, item: int) -> bool:
        found = self._query(("InstanceMetadataOf", "ItemMetadataOf"), self.collection, item)
        return bool(found and found["is_frozen"])

    def _attributes(self, item: int) -> dict[str, bytes]:
        found = {}
        for name in (*_NAMES, "run", "signer"):
            value = self._query(("Attribute",), self.collection, item, "0x" + name.encode().hex())
            if value is not None:
                found[name] = _raw(value[0])
        return found

    def _send(self, calls: list[Any]) -> Extrinsic:
        with self._answers():
            batch = self._chain.compose_call("Utility", "batch_all", {"calls": calls})
            signed = self._chain.create_signed_extrinsic(batch, self._key)
            receipt = self._chain.submit_extrinsic(
                signed, wait_for_inclusion=True, wait_for_finalization=self._finalised
            )
            if not receipt.is_success:
                raise GatllmError(f"the chain refused: {(receipt.error_message or {}).get('name', 'no reason given')}")
            block = self._chain.get_block_number(receipt.block_hash)
            return Extrinsic(str(receipt.extrinsic_hash), int(block), int(receipt.total_fee_amount or 0))

    @contextmanager
    def _answers(self) -> Iterator[None]:
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
            if "payment" in str(detail).lower():
                raise GatllmError(f"{self.registrar} can't pay the fee", "send it some of the chain's coin") from None
            raise GatllmError(f"the chain answers: {' '.join(str(detail).split())}") from None
        except (OSError, EOFError) as error:
            raise GatllmError(f"nothing answers at {self.url} ({error})", "check the address") from None
        except Exception as error:  # websocket-client and scalecodec have a base class each, none in common
            raise GatllmError(f"{self.url}: {type(error).__name__}: {error}", "is it a Substrate node?") from None


def _account(address: str) -> bytes:
    """Return an address's public key: the same account is spelt differently on each chain (SS58 prefixes)."""
    from substrateinterface.utils.ss58 import ss58_decode

    try:
        return bytes.fromhex(ss58_decode(address))
    except ValueError:
        raise UsageError(
            f"{address!r} is no Substrate address", "it is an SS58 address, 5… or the chain's own"
        ) from None


def _run(proof: Proof) -> bytes:
    """Return the id of a run: as on EVM chains a run is its trainer's, its data's and its model's."""
    parts = (proof.signer.lower(), proof.hashes.data_hash, proof.hashes.model_hash)
    return hashlib.blake2b(":".join(parts).encode(), digest_size=32).digest()


def _raw(value: Any) -> bytes:
    """Return an attribute's bytes: the library shows printable ones as text, others as hexadecimal digits."""
    text = str(value)
    return bytes.fromhex(text[2:]) if text.startswith("0x") else text.encode()
