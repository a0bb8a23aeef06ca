"""Canonical JSON (RFC 8785): the one byte string that a value is hashed as."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from gatllm.errors import GatllmError


def canonical_bytes(value: Any) -> bytes:
    """Return ``value`` as RFC 8785 bytes.

    Integers beyond 2**53, NaN and infinities have no canonical form: pass them as strings.

    Raises:
        GatllmError: the value has no canonical form.
    """
    import rfc8785  # late: the numeric core runs on machines without it

    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise GatllmError(
            f"a value has no canonical JSON form: {error}", "write big integers, NaN and bytes as strings"
        ) from None


def sha256(data: bytes) -> str:
    """Return the SHA-256 of ``data`` as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def digest(value: Any) -> str:
    """Return the SHA-256 of the canonical form of ``value``."""
    return sha256(canonical_bytes(value))


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
