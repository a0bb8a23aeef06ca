"""The same four hashes on a real Substrate runtime (Asset Hub under chopsticks), read back, frozen.

Set GATLLM_CHOPSTICKS to a folder with node_modules/@acala-network/chopsticks, and with ahr.json and dev.yml as
docs/market.md says; the runtime's specification is GPL-3.0 and not ours to ship, so that CI goes without.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatllm.errors import GatllmError
from gatllm.market.trade.substrate import ProofChain, SubstrateRegistry
from gatllm.proof import Claims, Hashes, Proof
from gatllm.records import sha256

URL = "ws://127.0.0.1:18000"
FOLDER = os.environ.get("GATLLM_CHOPSTICKS", "")


@pytest.fixture(scope="module")
def chain() -> Iterator[str]:
    if not FOLDER:
        pytest.skip("no Substrate runtime: see docs/market.md, set GATLLM_CHOPSTICKS")
    pytest.importorskip("substrateinterface")
    command = ["node", "node_modules/.bin/chopsticks", "-c", "dev.yml"]
    with (Path(FOLDER) / "chopsticks.log").open("w") as log:
        process = subprocess.Popen(command, cwd=FOLDER, stdout=log, stderr=log, start_new_session=True)
        try:
            for _ in range(300):
                if "listening on" in (Path(FOLDER) / "chopsticks.log").read_text():
                    break
                time.sleep(0.1)
            yield URL
        finally:
            process.terminate()
            process.wait(10)


def _proof(name: str, output: str = "output") -> Proof:
    hashes = Hashes(*(sha256(f"{name} {part}".encode()) for part in ("data", "model", output, "log")))
    signer = "0x" + sha256(b"signer")[:40]
    return Proof(hashes, Claims({}, {}, {}, {}), {}, [], [], "2026-01-01T00:00:00+00:00", signer, "")


@pytest.fixture
def registry(chain: str) -> Iterator[SubstrateRegistry]:
    with SubstrateRegistry(chain, "//Alice") as opened:
        yield opened


def test_a_proof_is_registered_once_frozen_and_read_back(chain: str, registry: SubstrateRegistry) -> None:
    common: ProofChain = registry
    proof = _proof("one")
    assert common.registration_of(proof) is None
    anchor = registry.register(proof)
    assert anchor
    assert anchor.block > 0
    assert anchor.fee > 0
    with SubstrateRegistry(chain, registrar=registry.registrar) as reader:
        found = reader.registration_of(proof)
        with pytest.raises(GatllmError, match="needs an account"):
            reader.register(_proof("four"))
    assert found
    assert found.hashes == proof.hashes
    assert found.trainer == proof.signer
    assert registry.register(proof) is None
    with pytest.raises(GatllmError, match="another result"):
        registry.register(_proof("one", "better"))
    assert registry.register(_proof("two"))
    item = next(registry._items(proof))
    change = registry._call("set_attribute", registry.collection, item, b"data_hash", bytes(32))
    with pytest.raises(GatllmError, match="Frozen"):
        registry._send([change])


def test_an_item_that_is_not_frozen_does_not_count(registry: SubstrateRegistry) -> None:
    registry.register(_proof("collection"))
    proof = _proof("open")
    registry._send([call for call in registry._register_calls(proof) if call.value["call_function"] != "set_metadata"])
    with pytest.raises(GatllmError, match="can still be changed"):
        registry.registration_of(proof)


def test_an_empty_account_can_not_pay(chain: str) -> None:
    with SubstrateRegistry(chain, "//Nobody") as poor, pytest.raises(GatllmError, match="can't pay"):
        poor.register(_proof("three"))


def test_a_secret_that_is_none_is_not_shown(chain: str) -> None:
    with pytest.raises(GatllmError) as caught:
        SubstrateRegistry(chain, "very secret words")
    assert "very secret" not in str(caught.value)


def test_nothing_answers() -> None:
    pytest.importorskip("substrateinterface")
    with pytest.raises(GatllmError, match="nothing answers"):
        SubstrateRegistry("ws://127.0.0.1:9", "//Alice")
