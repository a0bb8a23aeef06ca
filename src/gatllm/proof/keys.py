"""The trainer's key: secp256k1, so that the wallet that registers a proof is the one that signed it."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatllm.errors import GatllmError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from eth_account.signers.local import LocalAccount

KEY_VARIABLE = "GATLLM_KEY"
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
PASSWORD_VARIABLE = "GATLLM_KEY_PASSWORD"  # noqa: S105  # the name of a variable, not a password


class Key:
    """A private key that signs and never shows itself: neither ``repr`` nor an error message holds a digit of it."""

    __slots__ = ("_account",)

    def __init__(self, account: LocalAccount) -> None:
        self._account = account

    @property
    def address(self) -> str:
        """The Ethereum address that belongs to the key, with its EIP-55 checksum."""
        return str(self._account.address)

    @property
    def account(self) -> LocalAccount:
        """The eth-account object, for signing transactions."""
        return self._account

    def sign_typed(self, domain: dict[str, Any], types: dict[str, Any], message: dict[str, Any]) -> str:
        """Return the EIP-712 signature of ``message``: 65 bytes as ``0x…``."""
        return "0x" + bytes(self._account.sign_typed_data(domain, types, message).signature).hex()

    @property
    def ed25519_public(self) -> str:
        """The Ed25519 public key that goes with this key: 64 hexadecimal digits."""
        return self._ed25519().public_key().public_bytes_raw().hex()

    def sign_ed25519(self, message: bytes) -> bytes:
        """Return the Ed25519 signature of ``message``, 64 bytes (RFC 8032)."""
        return self._ed25519().sign(message)

    def _ed25519(self) -> Ed25519PrivateKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self._derive(b"gatllm ed25519 v1", 32))

    @property
    def p256_public(self) -> str:
        """The ECDSA P-256 public key that goes with this key, as PEM: for tools that know the NIST curves only."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = self._p256().public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def sign_p256(self, message: bytes) -> bytes:
        """Return the ECDSA P-256 signature of ``message`` with SHA-256, in DER."""
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.hashes import SHA256

        return self._p256().sign(message, ECDSA(SHA256()))

    def _p256(self) -> EllipticCurvePrivateKey:
        from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key

        # FIPS 186-5, A.2.1: 64 bits more than the order, so that the remainder has no bias to speak of.
        wide = int.from_bytes(self._derive(b"gatllm p256 v1", 40))
        return derive_private_key(wide % (_P256_ORDER - 1) + 1, SECP256R1())

    @property
    def x25519_public(self) -> str:
        """The X25519 public key that content keys are wrapped to: 64 hexadecimal digits."""
        return self._x25519().public_key().public_bytes_raw().hex()

    def open_hpke(self, ciphertext: bytes, info: bytes) -> bytes:
        """Return what was encrypted to `x25519_public` by HPKE (RFC 9180, base mode) under ``info``.

        Raises:
            cryptography.exceptions.InvalidTag: it was not, or was changed.
        """
        return bytes(hpke_suite().decrypt(ciphertext, self._x25519(), info=info))

    def _x25519(self) -> X25519PrivateKey:
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

        return X25519PrivateKey.from_private_bytes(self._derive(b"gatllm x25519 v1", 32))

    def _derive(self, use: bytes, length: int) -> bytes:
        """Return key material of its own for one use: one secret to keep, independent keys (HKDF, RFC 5869)."""
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(SHA256(), length, salt=None, info=use).derive(bytes(self._account.key))

    def __repr__(self) -> str:
        return f"Key({self.address})"

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a key is not to be copied into a pickle")


def hpke_suite() -> Any:
    """Return the HPKE suite of wrapped keys: DHKEM(X25519), HKDF-SHA-256, AES-256-GCM."""
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def default_key_path() -> Path:
    """Where the key lies unless told otherwise: the user's data folder."""
    home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "gatllm" / "trainer.key"


def load_key(path: Path | None = None, *, create: bool = True) -> Key:
    """Return the trainer's key: ``path``, else ``GATLLM_KEY`` (64 hexadecimal digits), else the user's key file.

    A key file holds either the bare digits or an Ethereum keystore (version 3), which ``GATLLM_KEY_PASSWORD`` opens.
    With ``create`` a missing key file is made, readable by its owner only, encrypted when that password is set.

    Raises:
        UsageError: the variable does not hold a key, or the password is missing.
        GatllmError: there is no key and none may be made, or others can read it.
    """
    if path is None:
        given = os.environ.get(KEY_VARIABLE)
        if given:
            return _from_hex(given, KEY_VARIABLE)
        path = default_key_path()
    if not path.exists():
        if not create:
            raise GatllmError(f"there is no key at {path}", f"set {KEY_VARIABLE} or let gatllm make one")
        return _create(path)
    return _read(path)


def _from_hex(text: str, where: str) -> Key:
    from eth_account import Account

    try:
        raw = bytes.fromhex(text.strip().removeprefix("0x"))
        if len(raw) != 32:
            raise ValueError
        return Key(Account.from_key(raw))
    except Exception:  # the library's messages quote the key: none of them may get out
        raise UsageError(f"{where} does not hold a private key", "it takes 64 hexadecimal digits") from None


def _read(path: Path) -> Key:
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise GatllmError(f"can't read the key at {path}", "check that it is your key file") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise GatllmError(f"others can read the key at {path}", f"run: chmod 600 {path}")
    return _from_keystore(text, path) if text.startswith("{") else _from_hex(text, str(path))


def _from_keystore(text: str, path: Path) -> Key:
    from eth_account import Account

    password = os.environ.get(PASSWORD_VARIABLE)
    if not password:
        raise UsageError(f"the key at {path} is encrypted", f"set {PASSWORD_VARIABLE}")
    try:
        return Key(Account.from_key(Account.decrypt(text, password)))
    except Exception:  # wrong password, damaged keystore: neither may show what was decrypted
        raise GatllmError(f"can't open the key at {path}", f"check {PASSWORD_VARIABLE} and the file") from None


def _create(path: Path) -> Key:
    import json

    from eth_account import Account

    account = Account.from_key(secrets.token_bytes(32))
    password = os.environ.get(PASSWORD_VARIABLE)
    text = json.dumps(Account.encrypt(account.key, password)) if password else bytes(account.key).hex()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # O_EXCL: of two processes that find no key, one makes it and the other reads that one.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read(path)
    except OSError as error:
        raise GatllmError(f"can't write a key to {path}: {error.strerror}", f"set {KEY_VARIABLE}") from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    return Key(account)
