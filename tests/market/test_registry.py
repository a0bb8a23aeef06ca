"""Proofs of training on chain: promised before, registered after, by the signer only, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from gatllm.errors import GatllmError
from gatllm.market import Chain, Deployment, Devnet, ProofRegistry
from gatllm.proof import Claims, Hashes, Proof
from gatllm.records import sha256

Chains = Callable[[], Chain]


def _proof(signer: str, name: str) -> Proof:
    hashes = Hashes(*(sha256(f"{name} {part}".encode()) for part in ("data", "model", "output", "log")))
    return Proof(hashes, Claims({}, {}, {}, {}), {}, [], [], "2026-01-01T00:00:00+00:00", signer, "")


def test_a_proof_is_registered_once_and_read_back(deployment: Deployment, new_chain: Chains) -> None:
    registry = ProofRegistry(new_chain(), deployment)
    proof = _proof(registry.chain.address, "one")
    receipt = registry.register(proof)
    assert receipt
    known = registry.get(proof)
    assert known.registration.hashes == proof.hashes
    assert known.registration.trainer == proof.signer
    assert known.registered_block == receipt.block
    assert known.committed_block == 0
    assert registry.register(proof) is None
    assert [run.run for run in registry.by_trainer(proof.signer)] == [known.run]


def test_a_commitment_comes_first_and_gives_the_seed(devnet: Devnet, deployment: Deployment, new_chain: Chains) -> None:
    registry = ProofRegistry(new_chain(), deployment)
    proof = _proof(registry.chain.address, "two")
    committed = registry.commit(proof.hashes.data_hash, proof.hashes.model_hash)
    assert committed
    run = registry.run_id(proof.signer, proof.hashes.data_hash, proof.hashes.model_hash)
    with pytest.raises(GatllmError, match="no such block yet"):
        registry.seed(run)
    with pytest.raises(GatllmError, match="result is not registered"):
        _ = registry.get(run).registration
    devnet.rpc("anvil_mine", "0x1")
    assert registry.seed(run) == registry.chain.block_hash(committed.block + 1)
    assert registry.commit(proof.hashes.data_hash, proof.hashes.model_hash) is None
    registry.register(proof)
    assert registry.get(run).committed_block == committed.block


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
    with pytest.raises(GatllmError, match="UnknownRun"):
        registry.seed("ab" * 32)
