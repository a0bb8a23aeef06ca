"""Proofs of training on an EVM chain: a commitment before, whose next block gives the seed, the four hashes after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gatllm.errors import GatllmError
from gatllm.market.chain.client import Chain, Quote, Receipt
from gatllm.market.trade.deployment import Deployment
from gatllm.market.trade.drawing import drawn, note
from gatllm.proof import Commitment, Hashes, Proof, Registration
from gatllm.training.promise import Promised


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

    def commitment_id(self, trainer: str, data_hash: str, plan_hash: str, salt: str) -> str:
        """Return the commitment of a trainer, as 64 hexadecimal digits."""
        from eth_abi.abi import encode
        from eth_utils.crypto import keccak

        types = ["string", "address", "bytes32", "bytes32", "bytes32"]
        return keccak(encode(types, ["commitment", trainer, *map(bytes.fromhex, (data_hash, plan_hash, salt))])).hex()

    def commitment_blocks(self, trainer: str, commitment: str) -> tuple[int, int]:
        """Return in which blocks a trainer's commitment was made and answered; 0 where it was not."""
        call = self.contract.functions.commitmentBlocks(self.chain.checksum(trainer), bytes.fromhex(commitment))
        made, answered = self.chain.read(call)
        return int(made), int(answered)

    def commit(self, data_hash: str, plan_hash: str, salt: str) -> Promised:
        """Promise data and plan before training, hidden by a salt; return what the next block gives, and who promised.

        What was promised before is not promised again: the block is the same. It is waited for until it is final.

        Raises:
            GatllmError: the account can't pay, the promise was answered by a run already, or the chain stands still.
        """
        trainer = self.chain.address
        commitment = self.commitment_id(trainer, data_hash, plan_hash, salt)
        made, answered = self.commitment_blocks(trainer, commitment)
        if answered:
            raise GatllmError(
                f"a run with this data and plan is registered already (block {answered})",
                "a commitment is answered once; change the recipe",
            )
        if not made:
            self.chain.send(self.contract.functions.commitTraining(bytes.fromhex(commitment)))
            # Asked of the contract: on some rollups a receipt counts other blocks than it does.
            made, _ = self.commitment_blocks(trainer, commitment)
        self.chain.final_hash(made + 1)
        return Promised(drawn(self.chain, made + 1), trainer)

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
        plan, salt = proof.claims.plan_hash(), proof.claims.salt
        made = self.commitment_blocks(proof.signer, self._promise(proof))[0] if salt else 0
        if not made or salt is None:
            raise GatllmError(
                f"the run says that its data and plan were promised, but {proof.signer} did not do so on this chain",
                "register it on the chain that it was committed to on",
            )
        return self.contract.functions.registerCommittedProof(bytes.fromhex(plan), bytes.fromhex(salt), *hashes)

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
        """Return what is registered about the run of a proof, or None.

        With the commitment that it answers, earlier registrations of the same output, log or data, and the trainer's
        commitments that nothing answers.
        """
        known = self._known(proof)
        if known is None:
            return None
        return Registration(
            known.hashes,
            known.trainer,
            self._commitment(proof, known),
            None if self.chain.local else self.chain.timestamp(known.registered_block),
            tuple(self._earlier(known)),
            tuple(self._unanswered(known.trainer)),
        )

    def later_value(self, proof: Proof) -> str | None:
        """Return what the block after a proof's registration gives, which draws samples; None before it is there."""
        later = self.get(proof).registered_block + 1
        return drawn(self.chain, later) if self.chain.head() >= later else None

    def _promise(self, proof: Proof) -> str:
        plan, salt = proof.claims.plan_hash(), proof.claims.salt or ""
        return self.commitment_id(proof.signer, proof.hashes.data_hash, plan, salt)

    def _commitment(self, proof: Proof, known: RegisteredRun) -> Commitment | None:
        if not known.committed_block or proof.claims.seed_block is None or proof.claims.salt is None:
            return None
        # The run must answer this very commitment: not only have one of the same block.
        blocks = self.commitment_blocks(proof.signer, self._promise(proof))
        if blocks != (known.committed_block, known.registered_block):
            return None
        time = None if self.chain.local else self.chain.timestamp(known.committed_block)
        value = drawn(self.chain, known.committed_block + 1)
        return Commitment(known.committed_block, value, time, note(self.chain))

    def _earlier(self, known: RegisteredRun) -> Iterator[str]:
        """Yield what was registered before a run and shares its output, log or data, in words."""
        for log in self.chain.logs(self.contract.events.TrainingProofRegistered(), self.first_block):
            told = log["args"]
            if bytes(told["run"]).hex() == known.run:
                return
            names = (("output", "outputHash"), ("log", "logHash"), ("data", "dataHash"))
            mine = {name: getattr(known.hashes, f"{name}_hash") for name, _ in names}
            shared = [name for name, argument in names if bytes(told[argument]).hex() == mine[name]]
            if shared:
                yield f"the same {' and '.join(shared)} by {told['trainer']} in block {log['blockNumber']}"

    def _unanswered(self, trainer: str) -> Iterator[int]:
        """Yield the blocks of a trainer's commitments that no run answers."""
        event = self.contract.events.TrainingCommitted()
        for log in self.chain.logs(event, self.first_block, trainer=self.chain.checksum(trainer)):
            made, answered = self.commitment_blocks(trainer, bytes(log["args"]["commitment"]).hex())
            if not answered:
                yield made

    def by_trainer(self, trainer: str) -> Iterator[RegisteredRun]:
        """Yield the registered runs of one trainer, oldest first."""
        event = self.contract.events.TrainingProofRegistered()
        for log in self.chain.logs(event, self.first_block, trainer=self.chain.checksum(trainer)):
            yield self.get(bytes(log["args"]["run"]).hex())
