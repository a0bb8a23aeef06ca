"""The envelope is what DSSE and in-toto say it is, and follows the proof in every byte."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatllm.errors import VerificationError
from gatllm.proof import Key, load_key, read_proof, to_envelope, verify, write_envelope
from gatllm.proof.envelope import pre_authentication_encoding


def test_the_encoding_of_the_dsse_specification() -> None:
    encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_a_stranger_can_check_it_with_the_two_standards_alone(run: Path, key: Key) -> None:
    envelope = json.loads(write_envelope(run, read_proof(run), key).read_text())
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"].encode()
    message = b" ".join([b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload])
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(envelope["signatures"][0]["keyid"]))
    public.verify(base64.b64decode(envelope["signatures"][0]["sig"]), message)
    statement = json.loads(payload)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    for subject in statement["subject"]:
        assert subject["digest"]["sha256"] == hashlib.sha256((run / subject["name"]).read_bytes()).hexdigest()
    assert {subject["name"] for subject in statement["subject"]} >= {"model.safetensors", "log.jsonl"}


def test_it_is_verified_with_the_run(run: Path, key: Key) -> None:
    write_envelope(run, read_proof(run), key)
    assert [item.verdict for item in verify(run).items if item.name == "proof.intoto.json"] == ["ok"]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_flipped_bit_in_its_values_is_caught(run: Path, key: Key, data: st.DataObject) -> None:
    path = write_envelope(run, read_proof(run), key)
    original = json.loads(path.read_text())
    original_bytes = path.read_bytes()
    position = data.draw(st.integers(0, len(original_bytes) - 1))
    changed = bytearray(original_bytes)
    changed[position] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(changed)
    try:
        same = json.loads(bytes(changed)) == original  # white space between values says nothing
    except ValueError:
        same = False
    names = [item.name for item in verify(run).failures]
    assert names == ([] if same else ["proof.intoto.json"])


def test_the_envelope_of_another_run_is_caught(run: Path, key: Key, tmp_path: Path, dataset: Path) -> None:
    from gatllm.proof import write_proof
    from tests.proof.runs import make_run

    other = make_run(tmp_path / "other", dataset, lr=0.5)
    written = write_envelope(other, write_proof(other, key), key)
    (run / "proof.intoto.json").write_bytes(written.read_bytes())
    assert [item.name for item in verify(run).failures] == ["proof.intoto.json"]


def test_another_key_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="did not sign"):
        to_envelope(run, read_proof(run), load_key(tmp_path / "other.key"))
