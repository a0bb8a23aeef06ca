"""Step 3: every run is signed, its hashes checked; a copy with one changed byte is caught, and the file named."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from gatllm.demo.data import NEGATIVE, POSITIVE
from gatllm.demo.stage import Outcome, Session, Stage
from gatllm.demo.training import DISCRIMINATOR, GENERATOR
from gatllm.errors import GatllmError

KEY = "keys/trainer.json"


def prove_runs(session: Session, stage: Stage) -> Outcome:
    """Sign each run, hold its hashes against its dataset, then show that one flipped byte does not pass."""
    from gatllm.proof import load_key, verify, write_proof

    key = load_key(session.folder(KEY))
    stage.say(f"  the trainer signs as {key.address}")
    made: dict[str, str] = {}
    checked = 0
    for run, dataset in ((DISCRIMINATOR, NEGATIVE), (GENERATOR, POSITIVE)):
        folder = session.folder(run)
        write_proof(folder, key, datasets=[session.folder(dataset)], report=stage.report)
        verification = verify(folder, datasets=[session.folder(dataset)], signer=key.address, report=stage.report)
        verification.raise_on_failure()
        passed = sum(item.verdict == "ok" for item in verification.items)
        stage.say(f"  {folder.name}: signed, {passed} checks of hashes and signature hold; no update was done again")
        made[f"proof of {folder.name}"] = str(folder / "proof.json")
        checked += passed
    stage.say(f"  to do updates again: gatllm proof replay {session.folder(DISCRIMINATOR)} --seed WORD")
    named = _flip_one_byte(session.folder(DISCRIMINATOR), stage)
    return Outcome("done", numbers={"checks passed": checked, "forgery found in": named}, made=made)


def _flip_one_byte(run: Path, stage: Stage) -> str:
    """Flip one byte of the weights in a copy and return the file that verification names."""
    from gatllm.proof import verify

    target = "model.safetensors"
    with tempfile.TemporaryDirectory(dir=run.parent, prefix=".forged-") as temporary:
        copy = Path(temporary) / run.name
        shutil.copytree(run, copy)
        weights = bytearray((copy / target).read_bytes())
        place = len(weights) // 2
        weights[place] ^= 1
        (copy / target).write_bytes(weights)
        failures = verify(copy).failures
    if not any(target in f"{item.name} {item.detail}" for item in failures):
        raise GatllmError("one flipped byte in the weights was not found", "please report this: verification is broken")
    for item in failures:
        stage.say(f"  flipped bit 0 of byte {place:,} of {target} in a copy: {item.name}: {item.detail}")
    return target
