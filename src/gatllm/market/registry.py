"""Proofs of training on an EVM chain: a commitment before, the four hashes after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gatllm.errors import GatllmError
from gatllm.market.chain import Chain, Quote, Receipt
from gatllm.market.deployment import Deployment
from gatllm.proof import Hashes, Proof, Registration


@dataclass(frozen=True, slots=True)
class RegisteredRun:
    """What the chain holds about a run; blocks are 0 where that step was not taken.

    ``hashes`` has empty output and log hashes until the result is registered.
    """

    run: str
    trainer: str
    hashes: Hashes
    committed_block: int
    registered_block: int

    @property
    def registration(self) -> Registration:
        """The form that `gatllm.proof.verify` compares a run folder with.

        Raises:
            GatllmError: only the commitment is registered so far.
        """
        if not self.registered_block:
            raise GatllmError(f"run {self.run} is committed to, its result is not registered", "register the proof")
        return Registration(self.hashes, self.trainer)


class ProofRegistry:
    """The proof registry of one deployment."""

    def __init__(self, chain: Chain, deployment: Deployment) -> None:
        self.chain = chain
        self.first_block = deployment.block
        self.contract = chain.contract("ProofRegistry", deployment["ProofRegistry"])

    def run_id(self, trainer: str, data_hash: str, model_hash: str) -> str:
        """Return the id of a trainer's run, as 64 hexadecimal digits."""
        from eth_abi.abi import encode
        from eth_utils.crypto import keccak

        types = ["address", "bytes32", "bytes32"]
        return keccak(encode(types, [trainer, bytes.fromhex(data_hash), bytes.fromhex(model_hash)])).hex()

    def commit(self, data_hash: str, model_hash: str) -> Receipt | None:
        """Promise a run before training; None when this account did so before.

        The hash of the block after the promise (`seed`) can then drive initialisation and data order.
        """
        run = self.run_id(self.chain.address, data_hash, model_hash)
        if self.find(run) is not None:
            return None
        call = self.contract.functions.commitTraining(bytes.fromhex(data_hash), bytes.fromhex(model_hash))
        return self.chain.send(call)

    def seed(self, run: str) -> str:
        """Return the hash of the block after the commitment, which nobody knew when they committed.

        Raises:
            GatllmError: the run was not committed to, or that block isn't there yet.
        """
        known = self.get(run)
        if not known.committed_block:
            raise GatllmError(f"run {run} was not committed to before its training", "commit to the next one first")
        return self.chain.block_hash(known.committed_block + 1)

    def register(self, proof: Proof) -> Receipt | None:
        """Register a proof's four hashes by the account that signed it; None when this is done already.

        Raises:
            GatllmError: the account is not the signer, or registered another result for this run.
        """
        known = self._registered(proof)
        if known is not None:
            return None
        return self.chain.send(self._call(proof))

    def quote(self, proof: Proof) -> Quote:
        """Return what `register` would cost; nothing is sent."""
        return self.chain.quote(self._call(proof))

    def _registered(self, proof: Proof) -> RegisteredRun | None:
        if proof.signer.lower() != self.chain.address.lower():
            raise GatllmError(
                f"the proof is signed by {proof.signer}, the account is {self.chain.address}",
                "register it with the key that signed it",
            )
        known = self.find(self.run_id(proof.signer, proof.hashes.data_hash, proof.hashes.model_hash))
        if known is None or not known.registered_block:
            return None
        if known.hashes != proof.hashes:
            raise GatllmError(
                "another result of this run is registered already",
                "a run is registered once; train with another seed",
            )
        return known

    def _call(self, proof: Proof) -> Any:
        return self.contract.functions.registerTrainingProof(
            *(bytes.fromhex(value[2:]) for value in proof.hashes.as_bytes32())
        )

    def find(self, run: str) -> RegisteredRun | None:
        """Return what is known of a run, or None."""
        try:
            return self.get(run)
        except GatllmError as error:
            if "UnknownRun" in str(error):
                return None
            raise

    def get(self, run: str | Proof) -> RegisteredRun:
        """Return a run by its id, or by its proof.

        Raises:
            GatllmError: the chain knows no such run.
        """
        if isinstance(run, Proof):
            run = self.run_id(run.signer, run.hashes.data_hash, run.hashes.model_hash)
        trainer, committed, registered, *hashes = self.chain.read(self.contract.functions.proofOf(bytes.fromhex(run)))
        texts = [bytes(value).hex() if any(value) else "" for value in hashes]
        return RegisteredRun(run, str(trainer), Hashes(*texts), int(committed), int(registered))

    def registration_of(self, proof: Proof) -> Registration | None:
        """Return what is registered about the run of a proof, or None."""
        known = self.find(self.run_id(proof.signer, proof.hashes.data_hash, proof.hashes.model_hash))
        return known.registration if known is not None and known.registered_block else None

    def by_trainer(self, trainer: str) -> Iterator[RegisteredRun]:
        """Yield the registered runs of one trainer, oldest first."""
        event = self.contract.events.TrainingProofRegistered()
        for log in self.chain.logs(event, self.first_block, trainer=self.chain.checksum(trainer)):
            yield self.get(bytes(log["args"]["run"]).hex())
