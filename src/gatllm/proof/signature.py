"""The signature over a proof: EIP-712 typed data, as wallets show and sign it."""

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


def sign(key: Key, hashes: Hashes, files_root: str, statement: str) -> dict[str, str]:
    """Return one entry for the proof's ``signatures``."""
    signature = key.sign_typed(DOMAIN, TYPES, typed_message(hashes, files_root, statement))
    return {"scheme": "eip712", "signer": key.address, "signature": signature}


def _is_canonical(signature: object) -> bool:
    # secp256k1 signatures come in pairs (s and n - s) and in several spellings; one statement has one signature.
    if not isinstance(signature, str) or not re.fullmatch("0x[0-9a-f]{128}(1b|1c)", signature):
        return False
    return int(signature[66:130], 16) <= _HALF_ORDER


def recover(signature: object, hashes: Hashes, files_root: str, statement: str) -> str | None:
    """Return the address that made ``signature``, or None when it is no signature in its one spelling."""
    from eth_account import Account
    from eth_account.messages import encode_typed_data

    if not _is_canonical(signature):
        return None
    try:
        signable = encode_typed_data(DOMAIN, TYPES, typed_message(hashes, files_root, statement))
        return str(Account.recover_message(signable, signature=signature))
    except Exception:  # the libraries raise a dozen kinds for malformed input; each means the same here
        return None
