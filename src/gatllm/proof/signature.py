"""The signatures over a proof: EIP-712 typed data, as wallets show and sign it, and Ed25519 for everyone else."""

from __future__ import annotations

import re
from typing import Any

from gatllm.proof.commitments import Hashes
from gatllm.proof.keys import Key

# No chain id and no contract: the statement is about a run and holds on every chain it is registered on.
DOMAIN = {"name": "gatllm", "version": "1"}
TYPES = {
    "TrainingProof": [
        {"name": "dataHash", "type": "bytes32"},
        {"name": "modelHash", "type": "bytes32"},
        {"name": "outputHash", "type": "bytes32"},
        {"name": "logHash", "type": "bytes32"},
        {"name": "filesRoot", "type": "bytes32"},
        {"name": "statement", "type": "bytes32"},
    ]
}

_HALF_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 // 2


def typed_message(hashes: Hashes, files_root: str, statement: str) -> dict[str, Any]:
    """Return the message of the typed data; ``statement`` is the digest of the whole proof without signatures."""
    data, model, output, log = (bytes.fromhex(value[2:]) for value in hashes.as_bytes32())
    return {
        "dataHash": data,
        "modelHash": model,
        "outputHash": output,
        "logHash": log,
        "filesRoot": bytes.fromhex(files_root),
        "statement": bytes.fromhex(statement),
    }


def sign(key: Key, hashes: Hashes, files_root: str, statement: str) -> list[dict[str, str]]:
    """Return the proof's ``signatures``."""
    wallet = key.sign_typed(DOMAIN, TYPES, typed_message(hashes, files_root, statement))
    plain = key.sign_ed25519(_ed25519_message(statement)).hex()
    return [
        {"scheme": "eip712", "signer": key.address, "signature": wallet},
        {"scheme": "ed25519", "signer": key.ed25519_public, "signature": plain},
    ]


def _ed25519_message(statement: str) -> bytes:
    # The prefix keeps a signature of a proof from being one of anything else.
    return b"gatllm training proof v1\0" + bytes.fromhex(statement)


def verify_ed25519(public: object, signature: object, message: bytes) -> bool:
    """Tell whether ``signature`` is that of ``message``; both it and the key are lower-case hexadecimal digits."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if not (isinstance(public, str) and isinstance(signature, str)):
        return False
    if not (re.fullmatch("[0-9a-f]{64}", public) and re.fullmatch("[0-9a-f]{128}", signature)):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def verify_statement(public: object, signature: object, statement: str) -> bool:
    """Tell whether ``signature`` is the Ed25519 signature of the proof with this digest."""
    return verify_ed25519(public, signature, _ed25519_message(statement))


def _is_canonical(signature: object) -> bool:
    # secp256k1 signatures come in pairs (s and n - s) and in several spellings; one statement has one signature.
    if not isinstance(signature, str) or not re.fullmatch("0x[0-9a-f]{128}(1b|1c)", signature):
        return False
    return int(signature[66:130], 16) <= _HALF_ORDER


def recover(signature: object, hashes: Hashes, files_root: str, statement: str) -> str | None:
    """Return the address that signed a proof, or None when it is not a signature in its one spelling."""
    return recover_typed(signature, DOMAIN, TYPES, typed_message(hashes, files_root, statement))


def recover_typed(
    signature: object, domain: dict[str, Any], types: dict[str, Any], message: dict[str, Any]
) -> str | None:
    """Return the address that made an EIP-712 signature, or None when it is not a signature in its one spelling."""
    from eth_account import Account
    from eth_account.messages import encode_typed_data

    if not _is_canonical(signature):
        return None
    try:
        signable = encode_typed_data(domain, types, message)
        return str(Account.recover_message(signable, signature=signature))
    except Exception:  # the libraries raise a dozen kinds for malformed input; each means the same here
        return None
