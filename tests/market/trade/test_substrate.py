"""The same four hashes on a real Substrate runtime (Asset Hub under chopsticks), read back.

Set GATLLM_CHOPSTICKS to a folder with node_modules/@acala-network/chopsticks, and with ahr.json and dev.yml as
docs/market.md says; the runtime's specification is GPL-3.0 and not ours to ship, so that CI goes without.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gatllm.cli import main
from gatllm.errors import GatllmError
from gatllm.market.trade.proof_chain import ProofChain
from gatllm.market.trade.substrate import SubstrateRegistry
from gatllm.proof import Registration, load_key, read_proof, verify, write_proof
from tests.proof.runs import make_dataset, make_run

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


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = make_run(tmp_path / "run", make_dataset(tmp_path / "data"))
    write_proof(folder, load_key(tmp_path / "trainer.key"))
    return folder


def test_a_proof_is_registered_once_and_read_back(chain: str, run: Path, tmp_path: Path) -> None:
    proof = read_proof(run)
    with SubstrateRegistry(chain, run, "//Alice") as registry:
        common: ProofChain = registry
        assert common.registration_of(proof) is None
        anchor = registry.register(proof)
        assert anchor
        assert anchor.block > 0
        assert anchor.fee > 0
        assert registry.register(proof) is None
    assert not verify(run).failures  # the receipt is about the proof, not part of the run
    with SubstrateRegistry(chain, run) as reader:
        found = reader.registration_of(proof)
        assert found == Registration(proof.hashes, proof.signer)
        # Whoever signs a copy is not registered by the author's remark, and can't be without a signature of their own.
        copy = write_proof(run, load_key(tmp_path / "thief.key"))
        assert reader.registration_of(copy) is None
        forged = replace(copy, signer=proof.signer)
        with pytest.raises(GatllmError, match="not signed by the one"):
            reader.registration_of(forged)
        with pytest.raises(GatllmError, match="needs an account"):
            reader.register(copy)
    with pytest.raises(SystemExit) as left:
        main(["proof", "verify", str(run), "--substrate", chain])
    assert left.value.code == 1


def test_the_command_line_reads_and_judges(chain: str, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATLLM_SUBSTRATE_SECRET", "//Alice")
    codes = []
    for arguments in (["register", str(run)], ["verify", str(run), "--require-updates", "0"]):
        with pytest.raises(SystemExit) as left:
            main(["proof", *arguments, "--substrate", chain])
        codes.append(left.value.code)
    assert codes == [0, 0]


def test_a_receipt_of_another_block_or_chain_is_none(chain: str, run: Path) -> None:
    proof = read_proof(run)
    with SubstrateRegistry(chain, run, "//Alice") as registry:
        assert registry.register(proof)
        told = json.loads(registry.receipt.read_bytes())
        for change, words in (
            ({"genesis": "0x" + "00" * 32}, "another chain"),
            ({"block_hash": "0x" + "00" * 32}, "of this chain is another"),
            ({"block": "x"}, "is damaged"),
        ):
            registry.receipt.write_text(json.dumps(told | change))
            with pytest.raises(GatllmError, match=words):
                registry.registration_of(proof)


def test_an_empty_account_can_not_pay(chain: str, run: Path) -> None:
    with SubstrateRegistry(chain, run, "//Nobody") as poor, pytest.raises(GatllmError, match="can't pay"):
        poor.register(read_proof(run))


def test_a_secret_that_is_none_is_not_shown(chain: str, run: Path) -> None:
    with pytest.raises(GatllmError) as caught:
        SubstrateRegistry(chain, run, "very secret words")
    assert "very secret" not in str(caught.value)


def test_nothing_answers() -> None:
    pytest.importorskip("substrateinterface")
    with pytest.raises(GatllmError, match="nothing answers"):
        SubstrateRegistry("ws://127.0.0.1:9", Path(), "//Alice")
