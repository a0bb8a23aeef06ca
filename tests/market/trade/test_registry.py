"""Proofs of training on chain: promised before, registered after, by the signer only, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gatllm.errors import GatllmError
from gatllm.market import Chain, Deployment, Devnet, ProofRegistry
from gatllm.market.trade.drawing import drawn, note
from gatllm.proof import Claims, Commitment, Hashes, Proof, Registration
from gatllm.records import sha256

Chains = Callable[[], Chain]
SALT = sha256(b"salt")


def _proof(signer: str, name: str, block: str = "") -> Proof:
    hashes = Hashes(*(sha256(f"{name} {part}".encode()) for part in ("data", "model", "output", "log")))
    recipe: dict[str, Any] = {"name": name, "data": {}, "determinism": {"seed": "committed", "block": block}}
    recipe["determinism"]["trainer"] = signer
    recipe["train"] = {}
    made = {"tokenizer": "", "code": name, "environment": {}, "salt": SALT}
    model = {"recipe": recipe, "commitments": made} if block else {}
    return Proof(hashes, Claims({}, model, {}, {}), {}, [], [], "2026-01-01T00:00:00+00:00", signer, "")


def test_a_proof_is_registered_once_and_read_back(deployment: Deployment, new_chain: Chains) -> None:
    registry = ProofRegistry(new_chain(), deployment)
    proof = _proof(registry.chain.address, "one")
    receipt = registry.register(proof)
    assert receipt
    known = registry.get(proof)
    assert registry.registration_of(proof) == Registration(proof.hashes, proof.signer)
    assert known.registered_block == receipt.block
    assert known.committed_block == 0
    assert registry.register(proof) is None
    assert [run.run for run in registry.by_trainer(proof.signer)] == [known.run]


def test_a_commitment_comes_first_and_its_next_block_gives_the_seed(
    devnet: Devnet, deployment: Deployment, new_chain: Chains
) -> None:
    registry = ProofRegistry(new_chain(), deployment)
    proof = _proof(registry.chain.address, "two", block="ab" * 32)
    data, plan = proof.hashes.data_hash, proof.claims.plan_hash()
    block, trainer = registry.commit(data, plan, SALT)
    assert trainer == proof.signer
    identity = registry.commitment_id(proof.signer, data, plan, SALT)
    committed, answered = registry.commitment_blocks(proof.signer, identity)
    assert committed
    assert not answered
    assert block == registry.chain.block_hash(committed + 1)
    head = registry.chain.head()
    assert registry.commit(data, plan, SALT).block == block  # a crash between promise and training changes nothing
    assert registry.chain.head() == head
    devnet.rpc("anvil_mine", "0x3")
    proof = _proof(registry.chain.address, "two", block=block)
    registry.register(proof)
    assert registry.get(proof).committed_block == committed
    found = registry.registration_of(proof)
    assert found
    assert found.commitment == Commitment(committed, block, None, "a local chain: whoever runs it chooses its blocks")
    assert (found.earlier, found.unanswered) == ((), ())
    with pytest.raises(GatllmError, match="registered already"):
        registry.commit(data, plan, SALT)


def test_a_run_whose_promise_the_chain_does_not_know_is_refused(deployment: Deployment, new_chain: Chains) -> None:
    registry = ProofRegistry(new_chain(), deployment)
    proof = _proof(registry.chain.address, "promised elsewhere", block="ab" * 32)
    with pytest.raises(GatllmError, match="did not do so on this chain"):
        registry.register(proof)
    registry.commit(sha256(b"other data"), proof.claims.plan_hash(), SALT)
    with pytest.raises(GatllmError, match="did not do so on this chain"):
        registry.register(proof)


def test_one_promise_has_one_result(deployment: Deployment, new_chain: Chains) -> None:
    registry = ProofRegistry(new_chain(), deployment)
    proof = _proof(registry.chain.address, "first try", block="ab" * 32)
    registry.commit(proof.hashes.data_hash, proof.claims.plan_hash(), SALT)
    registry.register(proof)
    second = replace(proof, hashes=replace(proof.hashes, model_hash=sha256(b"luckier")))
    with pytest.raises(GatllmError, match="AlreadyAnswered"):
        registry.register(second)


def test_a_run_that_answers_another_promise_has_none_of_its_own(deployment: Deployment, new_chain: Chains) -> None:
    """A forger registers under one plan what says it was trained under another; both were promised in time."""
    registry = ProofRegistry(new_chain(), deployment)
    proof = _proof(registry.chain.address, "mixed", block="ab" * 32)
    data = proof.hashes.data_hash
    registry.commit(data, proof.claims.plan_hash(), SALT)
    registry.commit(data, sha256(b"another plan"), SALT)
    hashes = [bytes.fromhex(value[2:]) for value in proof.hashes.as_bytes32()]
    other, salt = bytes.fromhex(sha256(b"another plan")), bytes.fromhex(SALT)
    call = registry.contract.functions.registerCommittedProof(other, salt, *hashes)
    registry.chain.send(call)
    found = registry.registration_of(proof)
    assert found
    assert found.commitment is None


def test_another_result_of_a_run_is_refused(deployment: Deployment, new_chain: Chains) -> None:
    registry = ProofRegistry(new_chain(), deployment)
    proof = _proof(registry.chain.address, "three")
    registry.register(proof)
    other = replace(proof, hashes=replace(proof.hashes, output_hash=sha256(b"better")))
    with pytest.raises(GatllmError, match="another result of this run"):
        registry.register(other)


def test_only_the_signer_registers(deployment: Deployment, new_chain: Chains) -> None:
    registry = ProofRegistry(new_chain(), deployment)
    with pytest.raises(GatllmError, match="register it with the key that signed it"):
        registry.register(_proof(new_chain().address, "four"))


def test_an_unknown_run(deployment: Deployment, new_chain: Chains) -> None:
    registry = ProofRegistry(new_chain(), deployment)
    assert registry.find("ab" * 32) is None
    with pytest.raises(GatllmError):
        registry.get("ab" * 32)
    assert registry.registration_of(_proof(registry.chain.address, "unknown")) is None


def test_earlier_registrations_and_unanswered_commitments_are_told(deployment: Deployment, new_chain: Chains) -> None:
    author, copier = (ProofRegistry(new_chain(), deployment) for _ in range(2))
    proof = _proof(author.chain.address, "copied")
    copy = replace(proof, signer=copier.chain.address)
    copier.register(copy)
    author.register(proof)
    made = author.commit(sha256(b"never trained"), sha256(b"plan"), SALT)
    found, other = author.registration_of(proof), copier.registration_of(copy)
    assert found
    assert other
    assert [text.partition(" by ")[0] for text in found.earlier] == ["the same output and log and data"]
    assert copier.chain.address in found.earlier[0]
    assert (other.earlier, other.unanswered) == ((), ())
    assert len(found.unanswered) == 1
    assert author.chain.block_hash(found.unanswered[0] + 1) == made.block


def test_a_copied_commitment_is_worth_nothing(deployment: Deployment, new_chain: Chains) -> None:
    """The copier sends the author's pending commitment first, and registers first."""
    author, copier = (ProofRegistry(new_chain(), deployment) for _ in range(2))
    proof = _proof(author.chain.address, "author's", block="ab" * 32)
    data, plan = proof.hashes.data_hash, proof.claims.plan_hash()
    copied = bytes.fromhex(author.commitment_id(author.chain.address, data, plan, SALT))
    copier.chain.send(copier.contract.functions.commitTraining(copied))
    author.commit(data, plan, SALT)
    with pytest.raises(GatllmError, match="did not do so on this chain"):
        copier.register(replace(proof, signer=copier.chain.address))
    author.register(proof)
    found = author.registration_of(proof)
    assert found
    assert found.commitment


@pytest.mark.parametrize(
    ("number", "local", "words"),
    [
        (1, False, "prevrandao of Ethereum"),
        (8453, False, "the sequencer"),
        (137, False, "withheld"),
        (1, True, "local"),
    ],
)
def test_the_note_says_who_could_have_chosen(number: int, local: bool, words: str) -> None:
    class Named:
        chain_id = number

    Named.local = local  # type: ignore[attr-defined]
    assert words in note(Named())  # type: ignore[arg-type]


def test_on_proof_of_stake_the_randomness_of_the_beacon_is_taken(new_chain: Chains) -> None:
    chain = new_chain()
    assert drawn(chain, 1) == chain.block_hash(1)
    chain.chain_id = 1
    assert drawn(chain, 1) == bytes(chain.web3.eth.get_block(1)["mixHash"]).hex()
