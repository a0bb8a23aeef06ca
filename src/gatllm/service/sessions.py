"""Sessions of people who signed in with a wallet: signed tokens, which every worker knows and nobody stores."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import secrets
import time
from pathlib import Path

from gatllm.errors import GatllmError

LIFETIME = 24 * 3600  # seconds


class Sessions:
    """Makes and checks tokens with a secret that is kept in a file, readable by its owner only."""

    def __init__(self, secret: Path) -> None:
        self._secret = _load(secret)

    def open(self, address: str) -> str:
        """Return a token for whoever holds ``address``."""
        body = json.dumps({"address": address, "until": int(time.time()) + LIFETIME}).encode()
        return f"{_text(body)}.{_text(self._mac(body))}"

    def address(self, token: str) -> str | None:
        """Return whose token this is; None when it is forged or over."""
        try:
            body, mac = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split("."))
        except (ValueError, binascii.Error):
            return None
        if not hmac.compare_digest(mac, self._mac(body)):
            return None
        value = json.loads(body)
        return str(value["address"]) if value["until"] > time.time() else None

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._secret, b"gatllm session 1" + body, "sha256")


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _load(path: Path) -> bytes:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(32))
        secret = path.read_bytes()
    except OSError as error:
        raise GatllmError(f"can't keep the sessions' secret in {path}: {error.strerror}", "check the folder") from None
    if len(secret) != 32:
        raise GatllmError(f"{path} is damaged", "remove it; everybody signs in again")
    return secret
