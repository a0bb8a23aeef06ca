"""A signature over every file of a run that OpenSSF's `model_signing` verifies.

Sources: OpenSSF Model Signing v1.0 (an in-toto statement with the predicate type below, one subject for the whole
model, the files as resources); Sigstore bundle v0.3. That tool knows ECDSA on the NIST curves only, so it takes a third
key, derived from the trainer's like the Ed25519 one. The predicate names our proof as well, by its digest, its hashes
and its signer: readers of v1.0 leave alone what they don't know.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from gatllm.errors import VerificationError
from gatllm.proof.document import PROOF_TYPE, Proof
from gatllm.proof.envelope import PAYLOAD_TYPE, STATEMENT_TYPE, pre_authentication_encoding, require_signer
from gatllm.proof.inventory import ENVELOPE_FILE, PROOF_FILE, SUBSTRATE_FILE, TIMESTAMP_FILE, list_files
from gatllm.proof.keys import Key
from gatllm.records import canonical_bytes, file_sha256, write_file

PREDICATE_TYPE = "https://model_signing/signature/v1.0"
MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_WRITTEN_LATER = (ENVELOPE_FILE, TIMESTAMP_FILE, SUBSTRATE_FILE)


def to_model_statement(run: Path, proof: Proof) -> dict[str, Any]:
    """Return the in-toto statement about all files of a run, ``proof.json`` included."""
    names = sorted([*list_files(run, proof.ignored).files, PROOF_FILE])
    hashes = {name: file_sha256(run / name) for name in names}
    whole = hashlib.sha256(b"".join(bytes.fromhex(hashes[name]) for name in names)).hexdigest()
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": run.resolve().name, "digest": {"sha256": whole}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": [*_WRITTEN_LATER, *proof.ignored],
            },
            "resources": [{"name": name, "algorithm": "sha256", "digest": hashes[name]} for name in names],
            "training_proof": {
                "type": PROOF_TYPE,
                "digest": proof.digest(),
                "hashes": dict(zip(type(proof.hashes).__slots__, proof.hashes.as_bytes32(), strict=True)),
                "signer": proof.signer,
            },
        },
    }


def to_bundle(run: Path, proof: Proof, key: Key) -> dict[str, Any]:
    """Return the signed bundle, as JSON values.

    Raises:
        VerificationError: the key is not the one that signed the proof, or the run was changed since.
    """
    from gatllm.proof.verification import verify

    require_signer(proof, key)
    if failures := verify(run).failures:
        raise VerificationError(f"the run is not what its proof says: {failures[0].name}", "prove it anew")
    payload = canonical_bytes(to_model_statement(run, proof))
    signature = key.sign_p256(pre_authentication_encoding(PAYLOAD_TYPE, payload))
    hint = hashlib.sha256(key.p256_public.encode()).hexdigest()
    return {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }


def write_bundle(run: Path, proof: Proof, key: Key, path: Path) -> None:
    """Write the bundle to a file outside of the run: one inside would be a file that the proof doesn't cover.

    Raises:
        VerificationError: as `to_bundle`, or ``path`` lies in the run folder.
    """
    if path.resolve().is_relative_to(run.resolve()):
        raise VerificationError(f"{path} lies in the run that it signs", "name a file outside")
    write_file(path, json.dumps(to_bundle(run, proof, key), indent=1) + "\n")
