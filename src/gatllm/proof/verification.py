"""Checking a run against its proof, item by item, each with a plain verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from gatllm.errors import GatllmError, UsageError, VerificationError
from gatllm.progress import Report, silent
from gatllm.proof.commitments import Hashes, read_claims
from gatllm.proof.datasets import data_root, dataset_root, read_manifest
from gatllm.proof.document import Proof, read_proof
from gatllm.proof.inventory import files_root, hash_files, list_files
from gatllm.proof.signature import recover

Depth = Literal["hashes", "replay", "full"]
Verdict = Literal["ok", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that was checked: a file by its path, or a property by its name."""

    name: str
    verdict: Verdict
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Registration:
    """What a chain holds about a run: the four hashes and who registered them."""

    hashes: Hashes
    trainer: str


@dataclass(slots=True)
class Verification:
    """The verdicts on one run."""

    run: Path
    depth: Depth
    items: list[Item] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing failed. What was skipped is listed, not counted as failed."""
        return bool(self.items) and not self.failures

    @property
    def failures(self) -> list[Item]:
        """The items that failed."""
        return [item for item in self.items if item.verdict == "failed"]

    def raise_on_failure(self) -> None:
        """Raise the first failure, naming it.

        Raises:
            VerificationError: an item failed.
        """
        for item in self.failures:
            raise VerificationError(f"{self.run.name}: {item.name}: {item.detail}")

    def as_dict(self) -> dict[str, Any]:
        """Return the verdicts as plain data."""
        return {
            "run": str(self.run),
            "depth": self.depth,
            "ok": self.ok,
            "items": [asdict(item) for item in self.items],
        }


def verify(
    run: Path,
    *,
    depth: Depth = "hashes",
    datasets: Sequence[Path] = (),
    signer: str | None = None,
    registration: Registration | None = None,
    report: Report = silent,
) -> Verification:
    """Check a run folder against its ``proof.json``.

    ``datasets`` are the folders it claims to be trained on, ``signer`` the address it must be signed by,
    ``registration`` what the chain holds about it.

    Raises:
        GatllmError: there is no run or no proof to check.
        UsageError: the depth is unknown.
    """
    if depth not in ("hashes", "replay", "full"):
        raise UsageError(f"unknown depth {depth!r}", "choose hashes, replay or full")
    if not run.is_dir():
        raise GatllmError(f"there is no run folder {run}", "name the folder that `gatllm train` made")
    result = Verification(run, depth)
    try:
        proof = read_proof(run)
    except VerificationError as error:
        result.items.append(Item("proof.json", "failed", str(error)))
        return result
    for check in (
        _check_files(run, proof, report),
        _check_claims(run, proof),
        _check_datasets(proof, datasets, report),
        _check_signature(proof, signer),
        _check_registration(proof, registration),
    ):
        result.items.extend(check)
    return result


def _check_files(run: Path, proof: Proof, report: Report) -> Iterator[Item]:
    try:
        present = list_files(run)
    except GatllmError as error:
        yield Item("files", "failed", error.cause)
        return
    actual = hash_files(run, sorted(set(present) & set(proof.files)), report)
    bad = 0
    for name in sorted(set(proof.files) | set(present)):
        expected, found = proof.files.get(name), actual.get(name)
        if expected is None:
            trouble = "is not covered by the proof"
        elif name not in present:
            trouble = "is missing"
        elif found is None:
            trouble = "can't be read"
        elif found["size"] != expected["size"]:
            trouble = f"has {found['size']} bytes instead of {expected['size']}"
        elif found != expected:
            trouble = "was changed: its hash differs"
        else:
            continue
        bad += 1
        yield Item(name, "failed", trouble)
    if not bad:
        size = sum(entry["size"] for entry in actual.values())
        yield Item("files", "ok", f"{len(actual)} files, {size} bytes, every hash as proven")


def _check_claims(run: Path, proof: Proof) -> Iterator[Item]:
    try:
        claims = read_claims(run)
    except GatllmError as error:
        yield Item("log", "failed", error.cause)
        return
    yield Item("log", "ok", f"{claims.log['entries']} entries, each follows from the one before it")
    hashes = claims.hashes()
    for what, derived_from in (("data", "log"), ("model", "log, recipe and tokenizer"), ("output", "log"), ("log", "")):
        name = f"{what}_hash"
        if getattr(hashes, name) != getattr(proof.hashes, name):
            yield Item(name, "failed", f"differs from the {derived_from or 'log'} of this run")
        elif getattr(claims, what) != getattr(proof.claims, what):
            yield Item(name, "failed", "the claims in the proof differ from the run's")
        else:
            yield Item(name, "ok", getattr(hashes, name))


def _check_datasets(proof: Proof, folders: Sequence[Path], report: Report) -> Iterator[Item]:
    if not folders:
        yield Item("data", "skipped", "no dataset was given to compute data_hash from")
        return
    roots = []
    for folder in folders:
        stated, found = read_manifest(folder).get("merkle_root"), dataset_root(folder, report)
        roots.append(found)
        if stated != found:
            yield Item(f"data {folder.name}", "failed", "its records are not the ones its manifest states")
    if data_root(roots) != proof.hashes.data_hash:
        yield Item("data", "failed", "the run was trained on other records than these")
    else:
        yield Item("data", "ok", f"{len(roots)} dataset(s), every record as committed before training")


def _check_signature(proof: Proof, expected: str | None) -> Iterator[Item]:
    root, statement = files_root(proof.files), proof.digest()
    signatures = [entry for entry in proof.signatures if entry.get("scheme") == "eip712"]
    if not signatures:
        yield Item("signature", "failed", "the proof is not signed")
        return
    for entry in signatures:
        found = recover(entry.get("signature"), proof.hashes, root, statement)
        expected_entry = {"scheme": "eip712", "signer": proof.signer, "signature": entry.get("signature")}
        if found != proof.signer or entry != expected_entry:
            yield Item("signature", "failed", f"is not {proof.signer}'s signature of this proof")
        else:
            yield Item("signature", "ok", f"signed by {found}")
    if expected is None:
        yield Item("signer", "skipped", "nobody said who must have signed")
    elif expected.lower() != proof.signer.lower():
        yield Item("signer", "failed", f"signed by {proof.signer}, not by {expected}")
    else:
        yield Item("signer", "ok", proof.signer)


def _check_registration(proof: Proof, registration: Registration | None) -> Iterator[Item]:
    if registration is None:
        yield Item("registration", "skipped", "no registration was given")
        return
    wrong = [name for name in Hashes.__slots__ if getattr(registration.hashes, name) != getattr(proof.hashes, name)]
    if wrong:
        yield Item("registration", "failed", f"the chain holds another {', '.join(wrong)}")
    elif registration.trainer.lower() != proof.signer.lower():
        yield Item("registration", "failed", f"registered by {registration.trainer}, signed by {proof.signer}")
    else:
        yield Item("registration", "ok", f"the four hashes are registered by {registration.trainer}")
