"""``proof.json``: what is claimed, every file's hash, who signs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatllm.errors import GatllmError, VerificationError
from gatllm.progress import Report, silent
from gatllm.proof.commitments import Claims, Hashes, is_hash, read_claims
from gatllm.proof.datasets import summarise
from gatllm.proof.history import check_times
from gatllm.proof.inventory import PROOF_FILE, Entry, files_root, hash_files, list_files
from gatllm.proof.keys import Key
from gatllm.proof.signature import recover, sign
from gatllm.records import canonical_bytes, digest, parse, read_log, write_file

if TYPE_CHECKING:
    from pydantic import TypeAdapter

PROOF_TYPE = "gatllm/training-proof/v1"


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof of training as it stands in ``proof.json``."""

    hashes: Hashes
    claims: Claims
    files: dict[str, Entry]
    datasets: list[dict[str, Any]]
    lineage: list[dict[str, Any]]
    created: str
    signer: str
    ed25519: str
    ignored: list[str] = field(default_factory=list)
    signatures: list[dict[str, str]] = field(default_factory=list)

    def statement(self) -> dict[str, Any]:
        """Return everything that is signed."""
        return {
            "type": PROOF_TYPE,
            "hashes": {name: getattr(self.hashes, name) for name in Hashes.__slots__},
            "claims": self.claims.as_dict(),
            "files": self.files,
            "files_root": files_root(self.files),
            "datasets": self.datasets,
            "lineage": self.lineage,
            "created": self.created,
            "signer": self.signer,
            "ed25519": self.ed25519,
            **({"ignored": self.ignored} if self.ignored else {}),
        }

    def digest(self) -> str:
        """Return the hash that names this proof: the digest of all that is signed."""
        return digest(self.statement())

    def as_dict(self) -> dict[str, Any]:
        """Return the document with its signatures."""
        return {**self.statement(), "signatures": self.signatures}


def write_proof(
    run: Path,
    key: Key,
    *,
    datasets: Sequence[Path] = (),
    parents: Sequence[Path] = (),
    ignore: Sequence[str] = (),
    report: Report = silent,
) -> Proof:
    """Prove a finished run: write and return its signed ``proof.json``.

    ``datasets`` are the dataset folders it was trained on (their manifests name the contributors), ``parents`` the
    runs that it continues. ``ignore`` names files and folders that don't belong to the run (see `list_files`); the
    proof records them.

    Raises:
        GatllmError: the run is not finished, a part is missing, or a parent has no proof.
        VerificationError: the log's chain does not hold, or a dataset is not the one the log names.
    """
    claims = read_claims(run)
    check_times(read_log(run / "log.jsonl"), now := datetime.now(UTC).isoformat(timespec="seconds"))
    files = hash_files(run, list_files(run, ignore).files, report).entries
    unsigned = Proof(
        hashes=claims.hashes(),
        claims=claims,
        files=files,
        datasets=[summarise(folder) for folder in datasets],
        lineage=[_parent(folder) for folder in parents],
        created=now,
        signer=key.address,
        ed25519=key.ed25519_public,
        ignored=sorted(set(ignore)),
    )
    proof = replace(unsigned, signatures=sign(key, unsigned.hashes, files_root(files), unsigned.digest()))
    write_file(run / PROOF_FILE, canonical_bytes(proof.as_dict()) + b"\n")
    return proof


def read_proof(run: Path) -> Proof:
    """Return the proof that lies in a run folder, as written; `verify` tells whether it is true.

    Raises:
        GatllmError: the run has no proof.
        VerificationError: it is damaged: not the canonical form of a proof.
    """
    path = run / PROOF_FILE
    try:
        raw = path.read_bytes()
    except OSError:
        raise GatllmError(f"there is no proof in {run}", "name a run folder that holds a proof.json") from None
    try:
        proof = _parse(parse(raw))
        canonical = canonical_bytes(proof.as_dict()) + b"\n"
    except (ValueError, KeyError, TypeError, AttributeError, GatllmError):
        raise VerificationError(f"{PROOF_FILE} is damaged", "get it again from where it was published") from None
    if canonical != raw:
        raise VerificationError(f"{PROOF_FILE} was changed after it was written")
    return proof


def recover_proof(proof: Proof) -> str | None:
    """Return the address whose EIP-712 signature a proof bears, None when it bears none."""
    wallet = next((entry for entry in proof.signatures if entry.get("scheme") == "eip712"), {})
    return recover(wallet.get("signature"), proof.hashes, files_root(proof.files), proof.digest())


@cache
def _adapter() -> TypeAdapter[Proof]:
    from pydantic import TypeAdapter

    return TypeAdapter(Proof)


def _parse(value: dict[str, Any]) -> Proof:
    from pydantic import ValidationError

    if value["type"] != PROOF_TYPE:
        raise VerificationError(f"{PROOF_FILE} is of another type: {value['type']}")
    fields = {name: value[name] for name in Proof.__slots__ if name in value or name != "ignored"}
    try:
        # Strict: a stranger's file is taken as it stands, never bent into what it should have been.
        proof = _adapter().validate_json(canonical_bytes(fields), strict=True)
    except ValidationError:
        raise ValueError(PROOF_FILE) from None
    hashes = [getattr(proof.hashes, name) for name in Hashes.__slots__]
    whole = all("size" in entry for entry in proof.files.values()) and {"root"} <= proof.claims.data.keys()
    if not (whole and all(map(is_hash, hashes)) and {"head", "entries", "started", "ended"} <= proof.claims.log.keys()):
        raise ValueError(PROOF_FILE)
    return proof


def _parent(folder: Path) -> dict[str, Any]:
    parent = read_proof(folder)
    return {"proof": parent.digest(), "weights_root": parent.claims.output["weights_root"], "signer": parent.signer}
