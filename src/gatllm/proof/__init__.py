"""Proof of training: commitments, signatures, verification, replay."""

from gatllm.proof.bundle import write_bundle
from gatllm.proof.commitments import Claims, Hashes, numerical_variables, read_claims
from gatllm.proof.document import Proof, read_proof, recover_proof, write_proof
from gatllm.proof.envelope import to_envelope, write_envelope
from gatllm.proof.inventory import SUBSTRATE_FILE
from gatllm.proof.keys import PASSWORD_VARIABLE, Key, default_key_path, load_key
from gatllm.proof.signature import recover_typed
from gatllm.proof.timestamp import attach_timestamp, fetch_timestamp, timestamp_request
from gatllm.proof.verdict import Commitment, Depth, Item, Registration, Verification, visible
from gatllm.proof.verification import verify

__all__ = [
    "PASSWORD_VARIABLE",
    "SUBSTRATE_FILE",
    "Claims",
    "Commitment",
    "Depth",
    "Hashes",
    "Item",
    "Key",
    "Proof",
    "Registration",
    "Verification",
    "attach_timestamp",
    "default_key_path",
    "fetch_timestamp",
    "load_key",
    "numerical_variables",
    "read_claims",
    "read_proof",
    "recover_proof",
    "recover_typed",
    "timestamp_request",
    "to_envelope",
    "verify",
    "visible",
    "write_bundle",
    "write_envelope",
    "write_proof",
]
