"""Canonical JSON (RFC 8785): the one byte string that a value is hashed as."""

from __future__ import annotations

import hashlib
import json
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
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise GatllmError(
            f"a value has no canonical JSON form: {error}", "write big integers, NaN and bytes as strings"
        ) from None


def _number(text: str) -> int | float:
    # Canonical JSON knows only doubles: a float of 2**53 or more is written without a point and must come back a float.
    value = int(text)
    return value if abs(value) < 2**53 else float(text)


def parse(data: bytes) -> Any:
    """Return the value that canonical bytes stand for, such that `canonical_bytes` gives the same bytes again.

    Raises:
        ValueError: ``data`` is not JSON.
    """
    try:
        return json.loads(data, parse_int=_number)
    except (RecursionError, OverflowError):
        raise ValueError("nested too deeply or a number too large") from None


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
