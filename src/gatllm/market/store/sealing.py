"""A dataset encrypted for its owners: AES-256-GCM in chunks, so that any length is sealed in little memory.

The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015): every chunk's nonce holds its number and whether
it is the last, so that chunks can't be dropped, reordered or cut off unseen. Each file has a key of its own, derived
from the content key and a salt (HKDF-SHA-256). The salt is derived from the content's identifier where there is one:
sealing the same content again gives the same bytes, and so the same place on IPFS.
"""

from __future__ import annotations

import hmac
import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gatllm.errors import GatllmError, UsageError, VerificationError
from gatllm.progress import Progress, Report, silent

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
CHUNK = 1 << 20
_MAGIC = b"GATSEAL1"
_SALT, _PREFIX, _TAG = 17, 7, 16
_HEADER = len(_MAGIC) + _SALT + _PREFIX  # 32 bytes


def new_content_key() -> bytes:
    """Return a random content key."""
    return secrets.token_bytes(KEY_BYTES)


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    if len(key) != KEY_BYTES:
        raise UsageError("this is not a content key", "it has 32 bytes (64 hexadecimal digits)")
    return AESGCM(HKDF(SHA256(), KEY_BYTES, salt, b"gatllm sealed content 1").derive(key))


def _nonce(prefix: bytes, number: int, last: bool) -> bytes:
    return prefix + number.to_bytes(4) + bytes((last,))


def _chunks(file: BinaryIO, size: int) -> Iterator[tuple[int, bytes, bool]]:
    """Yield number, bytes and whether it is the last; an empty file is one empty last chunk."""
    current, number = file.read(size), 0
    while True:
        following = file.read(size)
        yield number, current, not following
        if not following:
            return
        current, number = following, number + 1


def seal(source: Path, target: Path, key: bytes, report: Report = silent, *, content: bytes | None = None) -> None:
    """Encrypt a file; ``target`` appears whole or not at all.

    ``content`` identifies the plaintext (a cryptographic digest of it): equal content then gives equal bytes.

    Raises:
        GatllmError: a file can't be read or written.
    """
    # Without an identifier the salt is random: one key and nonce must never meet two plaintexts.
    drawn = hmac.digest(key, b"salt" + content, "sha256") if content else secrets.token_bytes(32)
    salt, prefix = drawn[:_SALT], drawn[_SALT : _SALT + _PREFIX]
    header = _MAGIC + salt + prefix
    cipher = _cipher(key, salt)
    with _files(source, target) as (plain, sealed):
        sealed.write(header)
        for number, data, last in _chunks(plain, CHUNK):
            sealed.write(cipher.encrypt(_nonce(prefix, number, last), data, header))
            report(Progress("encrypt", plain.tell(), unit="bytes"))


def unseal(source: Path, target: Path, key: bytes, report: Report = silent) -> None:
    """Decrypt what `seal` wrote; ``target`` appears whole, and only when every chunk is genuine.

    Raises:
        VerificationError: it is damaged, cut off, or sealed with another key.
        GatllmError: a file can't be read or written.
    """
    from cryptography.exceptions import InvalidTag

    with _files(source, target) as (sealed, plain):
        header = sealed.read(_HEADER)
        if len(header) != _HEADER or not header.startswith(_MAGIC):
            raise VerificationError(f"{source.name} is not sealed content")
        salt, prefix = header[len(_MAGIC) : len(_MAGIC) + _SALT], header[-_PREFIX:]
        cipher = _cipher(key, salt)
        for number, data, last in _chunks(sealed, CHUNK + _TAG):
            try:
                plain.write(cipher.decrypt(_nonce(prefix, number, last), data, header))
            except InvalidTag:
                raise VerificationError(
                    f"chunk {number} of {source.name} is damaged, cut off, or sealed with another key",
                    "fetch the content and the key again",
                ) from None
            report(Progress("decrypt", sealed.tell(), unit="bytes"))


@contextmanager
def _files(source: Path, target: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    temporary = target.with_name(f".partial-{target.name}-{uuid.uuid4().hex[:8]}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as reading, temporary.open("wb") as writing:
            yield reading, writing
        temporary.replace(target)
    except OSError as error:
        raise GatllmError(f"can't read {source} or write {target}: {error.strerror}", "check paths and space") from None
    finally:
        temporary.unlink(missing_ok=True)
