"""What set-up built is what was reviewed: the hashes of ABIs and bytecode are pinned beside the sources."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from gatllm.errors import GatllmError
from gatllm.market.chain.artifacts import artifact
from gatllm.market.chain.reverts import CONTRACTS, revert_error

CONTRACT_SOURCES = Path(__file__).parents[3] / "contracts"


@pytest.mark.usefixtures("devnet")
@pytest.mark.parametrize("contract", CONTRACTS)
def test_abi_and_bytecode_are_the_pinned_ones(contract: str) -> None:
    lines = (CONTRACT_SOURCES / "artifacts.sha256").read_text().splitlines()
    pinned = {name: digest for digest, name in (line.split() for line in lines)}
    built = artifact(contract)
    abi = json.dumps(built.abi, sort_keys=True, separators=(",", ":")).encode()
    assert pinned[f"{contract}.abi"] == hashlib.sha256(abi).hexdigest()
    assert pinned[f"{contract}.bytecode"] == hashlib.sha256(bytes.fromhex(built.bytecode[2:])).hexdigest()


def test_a_contract_that_was_not_built_is_one_clear_line() -> None:
    with pytest.raises(GatllmError, match=r"not built; run: python contracts/build\.py"):
        artifact("NoSuchContract")


@pytest.mark.usefixtures("devnet")
@pytest.mark.parametrize("data", [None, "", "0x", "0x12345678", "0xzz", "0x08c379a0", 7])
def test_any_answer_is_explained(data: object) -> None:
    assert "refused" in str(revert_error(data, "execution reverted"))
