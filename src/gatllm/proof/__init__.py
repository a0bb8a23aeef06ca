"""Proof of training: commitments, signatures, verification, replay."""

from gatllm.proof.commitments import Claims, Hashes, read_claims
from gatllm.proof.document import Proof, read_proof, write_proof
from gatllm.proof.keys import Key, default_key_path, load_key
from gatllm.proof.verdict import Depth, Item, Registration, Verification
from gatllm.proof.verification import verify

__all__ = [
    "Claims",
    "Depth",
    "Hashes",
    "Item",
    "Key",
    "Proof",
    "Registration",
    "Verification",
    "default_key_path",
    "load_key",
    "read_claims",
    "read_proof",
    "verify",
    "write_proof",
]
