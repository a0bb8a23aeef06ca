"""The proof as an in-toto statement in a DSSE envelope, for tools that know nothing of us.

Sources: in-toto Attestation Framework, Statement v1; DSSE v1.0.2 (secure-systems-lab). The subjects are the final
weights, tokenizer and recipe by the plain SHA-256 of each file, so that `sha256sum` is enough to match them.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from gatllm.errors import VerificationError
from gatllm.proof.document import Proof
from gatllm.proof.inventory import ENVELOPE_FILE
from gatllm.proof.keys import Key
from gatllm.proof.signature import verify_ed25519
from gatllm.records import canonical_bytes, file_sha256, parse, write_file

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:gatllm:training-proof:v1"
_SUBJECTS = ("model.safetensors", "tokenizer.json", "recipe.toml", "log.jsonl")


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return what is signed: ``DSSEv1``, then type and payload, each after its length in bytes."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def to_statement(run: Path, proof: Proof) -> dict[str, Any]:
    """Return the in-toto statement about the run."""
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": name, "digest": {"sha256": file_sha256(run / name)}} for name in _SUBJECTS if name in proof.files
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": proof.statement(),
    }


def require_signer(proof: Proof, key: Key) -> None:
    """Refuse a key that is not the proof's.

    Raises:
        VerificationError: it did not sign the proof.
    """
    if key.ed25519_public != proof.ed25519:
        raise VerificationError(
            f"this key ({key.address}) did not sign the proof", f"use the key of {proof.signer}, or prove the run anew"
        )


def to_envelope(run: Path, proof: Proof, key: Key) -> dict[str, Any]:
    """Return the signed DSSE envelope, as JSON values.

    Raises:
        VerificationError: the key is not the one that signed the proof.
    """
    require_signer(proof, key)
    payload = canonical_bytes(to_statement(run, proof))
    signature = key.sign_ed25519(pre_authentication_encoding(PAYLOAD_TYPE, payload))
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": proof.ed25519, "sig": base64.b64encode(signature).decode()}],
    }


def write_envelope(run: Path, proof: Proof, key: Key) -> Path:
    """Write ``proof.intoto.json`` beside the proof and return its path."""
    path = run / ENVELOPE_FILE
    write_file(path, json.dumps(to_envelope(run, proof, key), indent=1) + "\n")
    return path


def check_envelope(run: Path, proof: Proof) -> str | None:
    """Return what is wrong with the run's envelope, None when nothing is.

    Everything in it is compared with the proof: an envelope that says more, less or something else is refused.
    """
    try:
        envelope = json.loads((run / ENVELOPE_FILE).read_bytes())
        payload = base64.b64decode(envelope["payload"], validate=True)
        (signature,) = envelope["signatures"]
        signed = base64.b64decode(signature["sig"], validate=True).hex()
        kind = envelope["payloadType"]
        known = parse(payload)
    except (OSError, ValueError, KeyError, TypeError):
        return "is damaged"
    if kind != PAYLOAD_TYPE or set(envelope) != {"payload", "payloadType", "signatures"}:
        return "is not an in-toto envelope"
    if signature != {"keyid": proof.ed25519, "sig": base64.b64encode(bytes.fromhex(signed)).decode()}:
        return "is not signed by the proof's key"
    if not verify_ed25519(proof.ed25519, signed, pre_authentication_encoding(kind, payload)):
        return "has a wrong signature"
    try:
        expected = to_statement(run, proof)
    except OSError:
        return "is about a file that is missing"
    return None if known == expected else "is about something else than this run"
