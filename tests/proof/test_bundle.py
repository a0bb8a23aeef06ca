"""The signature for OpenSSF's `model_signing`: checked by that program where it is installed, by hand everywhere."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gatllm.errors import VerificationError
from gatllm.proof import Key, load_key, read_proof, verify, write_bundle

PROGRAM = os.environ.get("GATLLM_MODEL_SIGNING") or shutil.which("model_signing")


@pytest.fixture
def signed(run: Path, key: Key, tmp_path: Path) -> Path:
    write_bundle(run, read_proof(run), key, tmp_path / "run.sig")
    (tmp_path / "trainer.pem").write_text(key.p256_public)
    return tmp_path / "run.sig"


def payload_of(bundle: dict[str, Any]) -> tuple[bytes, bytes]:
    envelope = bundle["dsseEnvelope"]
    return base64.b64decode(envelope["payload"]), base64.b64decode(envelope["signatures"][0]["sig"])


def test_every_file_is_signed_by_the_key_that_the_hint_names(run: Path, key: Key, signed: Path) -> None:
    bundle = json.loads(signed.read_text())
    payload, signature = payload_of(bundle)
    public = load_pem_public_key(key.p256_public.encode())
    assert isinstance(public, EllipticCurvePublicKey)
    kind = b"application/vnd.in-toto+json"
    message = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    public.verify(signature, message, ECDSA(SHA256()))
    with pytest.raises(InvalidSignature):
        public.verify(signature, message + b" ", ECDSA(SHA256()))
    assert bundle["verificationMaterial"]["publicKey"]["hint"] == hashlib.sha256(key.p256_public.encode()).hexdigest()
    statement = json.loads(payload)
    resources = {entry["name"]: entry["digest"] for entry in statement["predicate"]["resources"]}
    here = {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert resources == {name: hashlib.sha256(content).hexdigest() for name, content in here.items()}
    whole = hashlib.sha256(b"".join(bytes.fromhex(digest) for digest in resources.values())).hexdigest()
    assert statement["subject"] == [{"name": "run", "digest": {"sha256": whole}}]
    assert statement["predicate"]["training_proof"]["digest"] == read_proof(run).digest()


def test_the_key_is_its_own_and_always_the_same(key: Key, tmp_path: Path) -> None:
    assert load_key(tmp_path / "keys" / "trainer.key").p256_public == key.p256_public
    assert load_key(tmp_path / "other.key").p256_public != key.p256_public
    assert key.ed25519_public not in key.p256_public


def test_a_bundle_covers_nothing_false(run: Path, key: Key, tmp_path: Path) -> None:
    proof = read_proof(run)
    with pytest.raises(VerificationError, match="did not sign"):
        write_bundle(run, proof, load_key(tmp_path / "other.key"), tmp_path / "x.sig")
    with pytest.raises(VerificationError, match="lies in the run"):
        write_bundle(run, proof, key, run / "x.sig")
    (run / "tokenizer.json").write_text("{}")
    with pytest.raises(VerificationError, match=r"not what its proof says: tokenizer\.json"):
        write_bundle(run, proof, key, tmp_path / "x.sig")
    assert not (tmp_path / "x.sig").exists()


def model_signing(run: Path, signature: Path) -> subprocess.CompletedProcess[str]:
    command = [str(PROGRAM), "verify", "key", str(run), "--signature", str(signature)]
    command += ["--public_key", str(signature.with_name("trainer.pem"))]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.skipif(PROGRAM is None, reason="model_signing is not installed (or named by GATLLM_MODEL_SIGNING)")
def test_model_signing_verifies_it_and_notices_changes(run: Path, key: Key, signed: Path) -> None:
    done = model_signing(run, signed)
    assert done.returncode == 0, done.stderr
    (run / "proof.intoto.json").write_text("{}")  # written about the proof, later
    assert model_signing(run, signed).returncode == 0
    (run / "proof.intoto.json").unlink()
    weights = run / "model.safetensors"
    original = weights.read_bytes()
    weights.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
    assert re.search(r"Hash mismatch for .*model\.safetensors", model_signing(run, signed).stderr)
    weights.write_bytes(original)
    (run / "added.txt").write_text("")
    assert "Extra files" in model_signing(run, signed).stderr
    (run / "added.txt").unlink()
    signed.with_name("trainer.pem").write_text(load_key(signed.with_name("other.key")).p256_public)
    assert model_signing(run, signed).returncode != 0
    assert not verify(run).failures
