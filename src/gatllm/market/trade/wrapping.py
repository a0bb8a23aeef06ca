"""A dataset's content key, wrapped for its new owner by the old one: unlocking without a server.

The buyer shows a *key card*: an X25519 public key, signed by the wallet that owns the token (EIP-712). The seller wraps
the content key to it (HPKE base mode, RFC 9180: X25519, HKDF-SHA-256, AES-256-GCM); chain, token contract, token, owner
and card are bound into the wrapping. The wrapped key is not a secret: it can be published or sent by any way.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import asdict, dataclass
from typing import Any

from gatllm.errors import GatllmError, VerificationError
from gatllm.market.store.sealing import KEY_BYTES
from gatllm.market.trade.tokens import DatasetTokens, token_number
from gatllm.proof import Key, recover_typed
from gatllm.records import canonical_bytes, parse

_CARD = "gatllm/key-card/v1"
_WRAPPED = "gatllm/wrapped-key/v2"
_DOMAIN = {"name": "gatllm", "version": "1"}
_TYPES = {"KeyCard": [{"name": "owner", "type": "address"}, {"name": "x25519", "type": "bytes32"}]}


@dataclass(frozen=True, slots=True)
class KeyCard:
    """Whose keys are wrapped to which X25519 key: ``x25519`` is 64 hexadecimal digits."""

    owner: str
    x25519: str
    signature: str

    @classmethod
    def of(cls, key: Key) -> KeyCard:
        """Return the card of an account."""
        return cls(key.address, key.x25519_public, key.sign_typed(_DOMAIN, _TYPES, _message(key.address, key)))

    def to_bytes(self) -> bytes:
        """Return the card as a file."""
        return canonical_bytes({"type": _CARD, **asdict(self)}) + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> KeyCard:
        """Read a card.

        Raises:
            VerificationError: it is damaged, or not signed by the wallet that it names.
        """
        values = _fields(data, _CARD, ("owner", "x25519", "signature"), "key card")
        card = cls(**values)
        try:
            message = {"owner": card.owner, "x25519": _bytes(card.x25519, 32)}
        except ValueError:
            raise VerificationError("this key card is damaged", "ask the buyer for it again") from None
        if recover_typed(card.signature, _DOMAIN, _TYPES, message) != card.owner:
            raise VerificationError(f"this key card is not signed by {card.owner}", "ask the buyer for it again")
        return card


def _message(owner: str, key: Key) -> dict[str, Any]:
    return {"owner": owner, "x25519": bytes.fromhex(key.x25519_public)}


def wrap(tokens: DatasetTokens, token: str, key: bytes, card: KeyCard) -> bytes:
    """Return the file in which a dataset's content key is wrapped for the token's owner, and for nobody else.

    The card's wallet must own it now, and in the chain's last final block: no reorganisation gives it back.

    Raises:
        VerificationError: the card's wallet does not own the token.
        GatllmError: the dataset is not minted, or the chain does not answer.
    """
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    owners = {tokens.find_owner(token, at=tokens.chain.final_block()), tokens.owner_of(token)}
    if owners != {card.owner}:
        raise VerificationError(
            f"{card.owner} does not own token {token[:16]}…", "wrap the key for its owner, once the sale is final"
        )
    context = _context(tokens, token, card.owner, card.x25519)
    public = X25519PublicKey.from_public_bytes(bytes.fromhex(card.x25519))
    wrapped = _suite().encrypt(key, public, info=canonical_bytes(context))
    return canonical_bytes({**context, "wrapped": base64.b64encode(wrapped).decode()}) + b"\n"


def unwrap(tokens: DatasetTokens, token: str, data: bytes, key: Key) -> bytes:
    """Return the content key that was wrapped for this account.

    Raises:
        VerificationError: it was wrapped for another account, token or chain, or is damaged or cut off.
    """
    from cryptography.exceptions import InvalidTag

    names = ("chain_id", "contract", "token", "owner", "x25519", "wrapped")
    values = _fields(data, _WRAPPED, names, "wrapped key")
    context = _context(tokens, token, key.address, key.x25519_public)
    for name, what in (("owner", "account"), ("x25519", "account"), ("token", "token")):
        if values[name] != context[name]:
            raise VerificationError(f"this key was wrapped for another {what} ({values[name]})", "use the right one")
    try:
        raw = base64.b64decode(values["wrapped"], validate=True)
        content = key.open_hpke(raw, canonical_bytes(context))
    except (binascii.Error, InvalidTag, ValueError):
        content = b""
    if len(content) != KEY_BYTES:
        raise VerificationError(
            "the wrapped key is damaged, cut off, or for another chain", "ask the seller to send it again"
        )
    return content


def _context(tokens: DatasetTokens, token: str, owner: str, x25519: str) -> dict[str, Any]:
    return {
        "type": _WRAPPED,
        "chain_id": str(tokens.chain.chain_id),
        "contract": tokens.address,
        "token": f"{token_number(token):064x}",
        "owner": owner,
        "x25519": x25519,
    }


def _suite() -> Any:
    from gatllm.proof.keys import hpke_suite

    return hpke_suite()


def _bytes(text: str, length: int) -> bytes:
    raw = bytes.fromhex(text)
    if len(raw) != length or raw.hex() != text:
        raise ValueError(text)
    return raw


def _fields(data: bytes, kind: str, names: tuple[str, ...], what: str) -> dict[str, str]:
    try:
        value = parse(data)
        if value["type"] != kind or value.keys() != {"type", *names}:
            raise ValueError(kind)
        found = {name: value[name] for name in names}
        if not all(isinstance(field, str) for field in found.values()):
            raise TypeError(kind)
    except (GatllmError, ValueError, KeyError, TypeError, AttributeError):
        raise VerificationError(f"this is not a {what}, or it is damaged", "ask for it again") from None
    return found
