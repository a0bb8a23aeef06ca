"""Content keys of sealed datasets: kept in a vault, given to whoever owns the token now, and to nobody else.

What has to be trusted is written down in docs/market.md: this server can read, withhold or leak keys.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatllm.errors import GatllmError, UsageError, VerificationError
from gatllm.market.chain.client import Chain
from gatllm.market.store.sealing import KEY_BYTES
from gatllm.market.trade.signin import SignIn
from gatllm.market.trade.tokens import DatasetTokens, token_number
from gatllm.proof import PASSWORD_VARIABLE
from gatllm.records import HashLog, write_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class KeyVault:
    """Content keys by dataset, one file each, readable by its owner only; with a ``password`` encrypted as well.

    Scrypt (RFC 7914) makes one key of the password and the vault's salt; each file is sealed with AES-256-GCM, bound to
    its dataset. Keys that lie there unencrypted are encrypted when they are read with a password.
    """

    def __init__(self, folder: Path, password: str | None = None) -> None:
        self.folder = folder
        self._password = password

    def put(self, token: str, key: bytes) -> None:
        """Keep the key of a dataset; one that is there already must be the same.

        Raises:
            GatllmError: another key is kept for this dataset, or the folder can't be written.
        """
        if not _create(self._path(token), self._entry(token, key)) and self.get(token) != key:
            raise GatllmError(f"another key is kept for token {token}", "it was sealed before")

    def find(self, token: str) -> bytes | None:
        """Return the key of a dataset, or None when it was not sealed here."""
        return self.get(token) if self._path(token).exists() else None

    def get(self, token: str) -> bytes:
        """Return the key of a dataset.

        Raises:
            GatllmError: it is not kept here, or the file is damaged.
        """
        path = self._path(token)
        try:
            entry = json.loads(path.read_text(encoding="ascii"))
            key = self._opened(token, entry["sealed"]) if "sealed" in entry else bytes.fromhex(entry["key"])
        except FileNotFoundError:
            raise GatllmError(f"the key of token {token} is not kept here", "it is open, or sealed elsewhere") from None
        except (OSError, ValueError, KeyError, TypeError):
            raise GatllmError(f"{path} is damaged", "restore it from a copy") from None
        if len(key) != KEY_BYTES:
            raise GatllmError(f"{path} is damaged", "restore it from a copy")
        if self._password and "key" in entry:
            write_file(path, self._entry(token, key))
        return key

    def _entry(self, token: str, key: bytes) -> str:
        if not self._password:
            return json.dumps({"token": token, "key": key.hex()}) + "\n"
        nonce = secrets.token_bytes(12)
        sealed = nonce + self._cipher(self._password).encrypt(nonce, key, self._path(token).name.encode())
        return json.dumps({"token": token, "sealed": sealed.hex()}) + "\n"

    def _opened(self, token: str, sealed: str) -> bytes:
        from cryptography.exceptions import InvalidTag

        if not self._password:
            raise UsageError(f"the keys in {self.folder} are encrypted", f"set {PASSWORD_VARIABLE}")
        raw = bytes.fromhex(sealed)
        try:
            return self._cipher(self._password).decrypt(raw[:12], raw[12:], self._path(token).name.encode())
        except InvalidTag:
            raise GatllmError(
                f"can't open the key of token {token}", f"check {PASSWORD_VARIABLE}, or restore {self._path(token)}"
            ) from None

    def _cipher(self, password: str) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        path = self.folder / "salt"
        _create(path, secrets.token_hex(16))
        try:
            salt = bytes.fromhex(path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            raise GatllmError(f"{path} is damaged", "restore it from a copy") from None
        return AESGCM(_stretched(password, salt))

    def _path(self, token: str) -> Path:
        return self.folder / f"{token_number(token):064x}.json"


@lru_cache(maxsize=4)
def _stretched(password: str, salt: bytes) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    return Scrypt(salt=salt, length=32, n=2**17, r=8, p=1).derive(password.encode())


def _create(path: Path, text: str) -> bool:
    """Write a secret file that appears whole, readable by its owner only; tell whether it is new.

    Raises:
        GatllmError: the folder can't be written.
    """
    temporary = path.with_name(f".partial-{path.name}-{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.exists():
            return False
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)  # unlike a rename it fails when another process was first
    except FileExistsError:
        return False
    except OSError as error:
        raise GatllmError(f"can't write {path}: {error.strerror}", "check the folder") from None
    finally:
        temporary.unlink(missing_ok=True)
    return True


@dataclass(frozen=True, slots=True)
class Release:
    """A key that was given out."""

    token: str
    owner: str
    key: bytes


class Unlocker:
    """Gives a dataset's key to its current owner; every release goes into a hash-chained log.

    The owner must be it in the chain's last final block as well, so that no reorganisation takes it back.
    """

    def __init__(self, tokens: DatasetTokens, vault: KeyVault, signin: SignIn, log: Path) -> None:
        self.tokens = tokens
        self.vault = vault
        self.signin = signin
        self.log = log

    def challenge(self, token: str, address: str, *, site: str = "") -> str:
        """Return the text that the owner signs, for the page at ``site``.

        Raises:
            GatllmError: the dataset's key is not kept here.
        """
        self.vault.get(token)
        return self.signin.challenge(address, _statement(token), site=site)

    def release(self, token: str, message: str, signature: str) -> Release:
        """Return the key to whoever signed the challenge and owns the token.

        Raises:
            VerificationError: the signature does not hold, is for another dataset, or the signer is not the owner.
            GatllmError: the token isn't minted, its key is not kept here, or the chain does not answer.
        """
        who = self.signin.check(message, signature)
        if who.statement != _statement(token):
            raise VerificationError("this was signed for another purpose", "sign the challenge of this dataset")
        owner = self.tokens.find_owner(token, at=self.tokens.chain.final_block())
        # Both now and some blocks ago: a sale that is mined ends the seller's right at once.
        current = self.tokens.find_owner(token)
        if owner is None or current is None or not owner.lower() == current.lower() == who.address.lower():
            raise VerificationError(
                f"{who.address} does not own token {token[:16]}…", "buy it, or wait until the sale is final"
            )
        key = self.vault.get(token)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with HashLog(self.log) as log:
            log.append("key released", token=token, owner=owner, durable=True)
        return Release(token, owner, key)


def _statement(token: str) -> str:
    return f"Unlock gatllm token {token_number(token):064x}"


def request_key(server: str, token: str, chain: Chain) -> bytes:
    """Ask a service for a dataset's key: sign its challenge with the account, get the key.

    The challenge is checked before it is signed: a hostile server can't have anything else signed.

    Raises:
        GatllmError: the service does not answer, or refuses.
        VerificationError: its challenge is not for this dataset, account, chain and site.
    """
    from eth_account.messages import encode_defunct

    base = server.rstrip("/")
    token = f"{token_number(token):064x}"
    question = {"token": token, "address": chain.address}
    message = str(_post(f"{base}/market/unlock/challenge", question)["message"])
    _check_challenge(message, base, token, chain)
    if chain.account is None:
        raise VerificationError("unlocking needs an account")
    signature = "0x" + bytes(chain.account.sign_message(encode_defunct(text=message)).signature).hex()
    answer = _post(f"{base}/market/unlock", {"token": token, "message": message, "signature": signature})
    try:
        return bytes.fromhex(answer["key"])
    except (KeyError, ValueError, TypeError):
        raise GatllmError(f"{base} sends no key", "check the address") from None


def _check_challenge(message: str, base: str, token: str, chain: Chain) -> None:
    from urllib.parse import urlsplit

    from siwe import SiweMessage

    try:
        parsed = SiweMessage.from_message(message)
    except Exception:  # the grammar's own errors, a dozen kinds
        raise VerificationError(f"{base} asks to sign something that is not a sign-in") from None
    expected = (urlsplit(base).netloc, chain.address, chain.chain_id, _statement(token))
    if (parsed.domain, parsed.address, int(parsed.chain_id), parsed.statement) != expected:
        raise VerificationError(f"{base} asks to sign something else than unlocking this dataset", "don't trust it")


def _post(url: str, body: dict[str, str]) -> dict[str, Any]:
    import requests

    try:
        answer = requests.post(url, json=body, timeout=30)
        value = answer.json()
    except (requests.RequestException, ValueError):
        raise GatllmError(f"nothing useful answers at {url}", "check the address of the service") from None
    if not answer.ok or not isinstance(value, dict):
        detail = value.get("error", {}).get("message", "") if isinstance(value, dict) else ""
        raise GatllmError(f"the service refuses: {detail or answer.status_code}")
    return value
