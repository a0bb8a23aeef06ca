"""Proofs that were published stay valid: what an older version wrote, this one verifies.

The folders under `published/` are never written again; a new format gets a new folder beside them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gatllm.proof import read_proof, verify

PUBLISHED = sorted((Path(__file__).parent / "published").iterdir())
SIGNER = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"
DIGESTS = {"v1": "937317dc55fe93a19c65a5adc8101545c64908dab9af7192ecd13674624a40f0"}


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
def test_it_still_verifies(folder: Path) -> None:
    result = verify(folder / "run", datasets=[folder / "data"], signer=SIGNER)
    assert not result.failures
    assert [item.name for item in result.items if item.verdict == "skipped"] == ["seed", "registration"]
    assert (result.outcome, result.reached) == ("inconclusive", "hashes hold; 0 of 4 updates recomputed")
    assert read_proof(folder / "run").digest() == DIGESTS[folder.name]
