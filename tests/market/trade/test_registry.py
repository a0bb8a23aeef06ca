"""Proofs of training on chain: promised before, registered after, by the signer only, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from gatllm.errors import GatllmError
from gatllm.market import Chain, Deployment, Devnet, ProofRegistry
from gatllm.proof import Claims, Commitment, Hashes, Proof, Registration
from gatllm.records import sha256

Chains = Callable[[], Chain]


def _proof(signer: str, name: str, block: str = "") -> Proof:
    hashes = Hashes(*(sha256(f"{name} {part}".encode()) for part in ("data", "model", "output", "log")))
    recipe = {"name": name, "data": {}, "determinism": {"seed": "committed", "block": block}}
    model = {"recipe": recipe, "commitments": {"tokenizer": "", "code": name, "environment": {}}} if block else {}
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
    block = registry.commit(data, plan)
    committed, answered = registry.commitment_blocks(registry.commitment_id(proof.signer, data, plan))
    assert committed
    assert not answered
    assert block == registry.chain.block_hash(committed + 1)
    head = registry.chain.head()
    assert registry.commit(data, plan) == block  # a crash between promise and training changes nothing
    assert registry.chain.head() == head
    devnet.rpc("anvil_mine", "0x3")
    proof = _proof(registry.chain.address, "two", block=block)
    registry.register(proof)
    assert registry.get(proof).committed_block == committed
    found = registry.registration_of(proof)
    assert found
    assert found.commitment == Commitment(committed, block)
    with pytest.raises(GatllmError, match="registered already"):
        registry.commit(data, plan)


def test_a_run_whose_promise_the_chain_does_not_know_is_refused(deployment: Deployment, new_chain: Chains) -> None:
    registry = ProofRegistry(new_chain(), deployment)
    proof = _proof(registry.chain.address, "promised elsewhere", block="ab" * 32)
    with pytest.raises(GatllmError, match="did not do so on this chain"):
        registry.register(proof)
    registry.commit(sha256(b"other data"), proof.claims.plan_hash())
    with pytest.raises(GatllmError, match="did not do so on this chain"):
        registry.register(proof)


def test_one_promise_has_one_result(deployment: Deployment, new_chain: Chains) -> None:
    registry = ProofRegistry(new_chain(), deployment)
    proof = _proof(registry.chain.address, "first try", block="ab" * 32)
    registry.commit(proof.hashes.data_hash, proof.claims.plan_hash())
    registry.register(proof)
    second = replace(proof, hashes=replace(proof.hashes, model_hash=sha256(b"luckier")))
    with pytest.raises(GatllmError, match="AlreadyAnswered"):
        registry.register(second)


def test_a_run_that_answers_another_promise_has_none_of_its_own(deployment: Deployment, new_chain: Chains) -> None:
    """A forger registers under one plan what says it was trained under another; both were promised in time."""
    registry = ProofRegistry(new_chain(), deployment)
    proof = _proof(registry.chain.address, "mixed", block="ab" * 32)
    data = proof.hashes.data_hash
    registry.commit(data, proof.claims.plan_hash())
    registry.commit(data, sha256(b"another plan"))
    hashes = [bytes.fromhex(value[2:]) for value in proof.hashes.as_bytes32()]
    call = registry.contract.functions.registerCommittedProof(bytes.fromhex(sha256(b"another plan")), *hashes)
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
