"""When a proof was there at the latest, by an authority that both sides trust (RFC 3161).

The authority signs the SHA-256 of ``proof.json`` and the time. Its answer lies beside the proof as ``proof.tsr``, as
`openssl ts` writes and reads it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gatllm.errors import GatllmError, VerificationError
from gatllm.proof.inventory import PROOF_FILE, TIMESTAMP_FILE
from gatllm.proof.verdict import Item
from gatllm.records import write_file

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

_MOST_BYTES = 1 << 20


def timestamp_request(run: Path) -> bytes:
    """Return the query for a run's proof, to be sent to an authority (``application/timestamp-query``).

    Raises:
        GatllmError: there is no proof, or the optional part ``gatllm[timestamp]`` is missing.
    """
    _require()
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

    builder = TimestampRequestBuilder().data(_proof_bytes(run)).hash_algorithm(HashAlgorithm.SHA256)
    return bytes(builder.build().as_bytes())


def attach_timestamp(run: Path, response: bytes) -> str:
    """Keep an authority's answer beside the proof and return the time it states.

    Raises:
        VerificationError: it is about something else than this proof, or refuses.
    """
    _require()
    decoded = _decode(response)
    if decoded is None or not _is_about(decoded, _proof_bytes(run)):
        raise VerificationError("this is not a time stamp of this proof", "ask for one with `gatllm proof stamp`")
    write_file(run / TIMESTAMP_FILE, response)
    return decoded.tst_info.gen_time.isoformat()


def fetch_timestamp(run: Path, url: str) -> str:
    """Ask the authority at ``url`` for a time stamp, keep it, and return its time.

    Raises:
        GatllmError: the authority can't be reached or answers nonsense.
    """
    import urllib.error
    import urllib.request

    query = timestamp_request(run)
    if not url.startswith(("https://", "http://")):
        raise GatllmError(f"{url} is not an address of an authority", "give one that begins with https://")
    headers = {"Content-Type": "application/timestamp-query"}
    asked = urllib.request.Request(url, data=query, headers=headers)  # noqa: S310  # checked above
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310
            response = answer.read(_MOST_BYTES)
    except (urllib.error.URLError, OSError) as error:
        raise GatllmError(f"{url} gives no time stamp: {error}", "try again, or another authority") from None
    return attach_timestamp(run, response)


def check_timestamp(run: Path, roots: Sequence[Path]) -> Item:
    """Judge the run's time stamp by the root certificates (PEM) of the authorities that one trusts."""
    try:
        _require()
        response = (run / TIMESTAMP_FILE).read_bytes()
        data = _proof_bytes(run)
    except (GatllmError, OSError) as error:
        return Item(TIMESTAMP_FILE, "skipped", str(error))
    decoded = _decode(response)
    if decoded is None or not _is_about(decoded, data):
        return Item(TIMESTAMP_FILE, "failed", "is not about this proof")
    when = decoded.tst_info.gen_time.isoformat()
    if not roots:
        return Item(TIMESTAMP_FILE, "skipped", f"states {when}; no root certificate was given to check who says so")
    for root in roots:
        if _signed_under(decoded, root, data):
            return Item(TIMESTAMP_FILE, "ok", f"the proof was there at {when}, says an authority under {root.name}")
    return Item(TIMESTAMP_FILE, "failed", f"states {when}, but not under these root certificates")


def _require() -> None:
    try:
        import rfc3161_client  # noqa: F401
    except ImportError:
        raise GatllmError("time stamps take an optional part", "pip install 'gatllm[timestamp]'") from None


def _proof_bytes(run: Path) -> bytes:
    try:
        return (run / PROOF_FILE).read_bytes()
    except OSError:
        raise GatllmError(f"there is no proof in {run}", "write one first: gatllm proof write") from None


def _decode(response: bytes) -> TimeStampResponse | None:
    from rfc3161_client import decode_timestamp_response

    try:
        decoded = decode_timestamp_response(response)
        decoded.tst_info  # noqa: B018  # a refusal has none: the access raises
    except Exception:  # a Rust parser on a stranger's bytes: whatever it says, it is not a time stamp
        return None
    return decoded


def _is_about(decoded: TimeStampResponse, data: bytes) -> bool:
    imprint = decoded.tst_info.message_imprint
    names = {"2.16.840.1.101.3.4.2.1": "sha256", "2.16.840.1.101.3.4.2.3": "sha512"}
    name = names.get(imprint.hash_algorithm.dotted_string)
    return name is not None and bytes(imprint.message) == hashlib.new(name, data).digest()


def _signed_under(decoded: TimeStampResponse, root: Path, data: bytes) -> bool:
    from cryptography.x509 import load_pem_x509_certificate
    from rfc3161_client import VerificationError as NotVerifiedError
    from rfc3161_client import VerifierBuilder

    try:
        certificate = load_pem_x509_certificate(root.read_bytes())
    except (OSError, ValueError):
        raise GatllmError(f"{root} is not a PEM certificate", "give the root certificate of the authority") from None
    try:
        VerifierBuilder().add_root_certificate(certificate).build().verify_message(decoded, data)
    except (NotVerifiedError, ValueError):
        return False
    return True
