"""Proofs of training on an EVM chain: a commitment before, whose next block gives the seed, the four hashes after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gatllm.errors import GatllmError
from gatllm.market.chain.client import Chain, Quote, Receipt
from gatllm.market.trade.deployment import Deployment
from gatllm.proof import Commitment, Hashes, Proof, Registration


@dataclass(frozen=True, slots=True)
class RegisteredRun:
    """What the chain holds about a run; ``committed_block`` is 0 where it answers no commitment."""

    run: str
    trainer: str
    hashes: Hashes
    committed_block: int
    registered_block: int


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

    def commitment_id(self, trainer: str, data_hash: str, plan_hash: str) -> str:
        """Return the id of a trainer's commitment, as 64 hexadecimal digits."""
        from eth_abi.abi import encode
        from eth_utils.crypto import keccak

        types = ["string", "address", "bytes32", "bytes32"]
        return keccak(encode(types, ["commitment", trainer, bytes.fromhex(data_hash), bytes.fromhex(plan_hash)])).hex()

    def commitment_blocks(self, commitment: str) -> tuple[int, int]:
        """Return in which blocks a commitment was made and answered; 0 where it was not."""
        made, answered = self.chain.read(self.contract.functions.commitmentBlocks(bytes.fromhex(commitment)))
        return int(made), int(answered)

    def commit(self, data_hash: str, plan_hash: str) -> str:
        """Promise data and plan before training; return the hash of the next block, from which the seed follows.

        What was promised before is not promised again: the block is the same. It is waited for until it is final.

        Raises:
            GatllmError: the account can't pay, the promise was answered by a run already, or the chain stands still.
        """
        commitment = self.commitment_id(self.chain.address, data_hash, plan_hash)
        made, answered = self.commitment_blocks(commitment)
        if answered:
            raise GatllmError(
                f"a run with this data and plan is registered already (block {answered})",
                "a commitment is answered once; change the recipe",
            )
        if not made:
            call = self.contract.functions.commitTraining(bytes.fromhex(data_hash), bytes.fromhex(plan_hash))
            made = self.chain.send(call).block
        return self.chain.final_hash(made + 1)

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
        known = self._known(proof)
        if known is not None and known.hashes != proof.hashes:
            raise GatllmError(
                "another result of this run is registered already",
                "a run is registered once; train with another seed",
            )
        return known

    def _known(self, proof: Proof) -> RegisteredRun | None:
        return self.find(self.run_id(proof.signer, proof.hashes.data_hash, proof.hashes.model_hash))

    def _call(self, proof: Proof) -> Any:
        hashes = [bytes.fromhex(value[2:]) for value in proof.hashes.as_bytes32()]
        if proof.claims.seed_block is None:
            return self.contract.functions.registerTrainingProof(*hashes)
        plan = proof.claims.plan_hash()
        made, _ = self.commitment_blocks(self.commitment_id(proof.signer, proof.hashes.data_hash, plan))
        if not made:
            raise GatllmError(
                f"the run says that its data and plan were promised, but {proof.signer} did not do so on this chain",
                "register it on the chain that it was committed to on",
            )
        return self.contract.functions.registerCommittedProof(bytes.fromhex(plan), *hashes)

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
        """Return what is registered about the run of a proof, with the commitment that it answers, or None."""
        known = self._known(proof)
        return None if known is None else Registration(known.hashes, known.trainer, self._commitment(proof, known))

    def _commitment(self, proof: Proof, known: RegisteredRun) -> Commitment | None:
        if not known.committed_block or proof.claims.seed_block is None:
            return None
        identity = self.commitment_id(proof.signer, proof.hashes.data_hash, proof.claims.plan_hash())
        # The run must answer this very commitment: not only have one of the same block.
        if self.commitment_blocks(identity) != (known.committed_block, known.registered_block):
            return None
        return Commitment(known.committed_block, self.chain.block_hash(known.committed_block + 1))

    def by_trainer(self, trainer: str) -> Iterator[RegisteredRun]:
        """Yield the registered runs of one trainer, oldest first."""
        event = self.contract.events.TrainingProofRegistered()
        for log in self.chain.logs(event, self.first_block, trainer=self.chain.checksum(trainer)):
            yield self.get(bytes(log["args"]["run"]).hex())
