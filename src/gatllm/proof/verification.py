"""Checking a run against its proof, item by item, each with a plain verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from gatllm.errors import GatllmError, UsageError, VerificationError
from gatllm.progress import Report, silent
from gatllm.proof.commitments import Hashes, read_claims, read_recipe
from gatllm.proof.datasets import data_root, dataset_root, read_manifest, summarise
from gatllm.proof.document import Proof, read_proof
from gatllm.proof.envelope import check_envelope
from gatllm.proof.history import check_times, read_history
from gatllm.proof.inventory import (
    ENVELOPE_FILE,
    TIMESTAMP_FILE,
    Inventory,
    Listing,
    files_root,
    hash_files,
    likely_cause,
    list_files,
)
from gatllm.proof.signature import recover, verify_statement
from gatllm.proof.timestamp import check_timestamp
from gatllm.proof.verdict import Depth, Item, Registration, Verification
from gatllm.records import read_log

_CLOCKS = 300  # seconds between a trainer's clock and a chain's


def verify(
    run: Path,
    *,
    depth: Depth = "hashes",
    datasets: Sequence[Path] = (),
    signer: str | None = None,
    registration: Registration | None = None,
    require_updates: int | Literal["all"] | None = None,
    seed: str | None = None,
    ignore: Sequence[str] = (),
    authorities: Sequence[Path] = (),
    report: Report = silent,
) -> Verification:
    """Check a run folder against its ``proof.json``.

    ``datasets`` are the folders it claims to be trained on, ``signer`` the address it must be signed by,
    ``registration`` what the chain holds about it. The depth ``replay`` also does parts of the training again, the
    first, the last and others drawn by ``seed`` (what nobody knew when the run was signed, such as the hash of a later
    block); ``full`` does all of it. ``require_updates`` is how many updates must have been done again for the outcome
    ``verified``; by default all that the depth chooses, at least one: hashes alone are ``inconclusive``, and
    ``intact`` where it is 0.
    ``ignore`` names files that don't belong to the run (see `list_files`). ``authorities`` are root certificates (PEM)
    that a time stamp must be signed under.

    Raises:
        GatllmError: there is no run or no proof to check.
        UsageError: the depth is unknown, or nothing from outside draws the sample.
    """
    _check_usage(depth, seed, require_updates)
    if not run.is_dir():
        raise GatllmError(f"there is no run folder {run}", "name the folder that `gatllm train` made")
    result = Verification(run, depth)
    try:
        proof = read_proof(run)
    except VerificationError as error:
        result.items.append(Item("proof.json", "failed", str(error)))
        return result
    try:
        present = list_files(run, [*proof.ignored, *ignore])
    except GatllmError as error:
        result.items.append(Item("files", "failed", error.cause))
        return result
    found = hash_files(run, present.files, report)
    checks = [
        _check_files(run, proof, found, present),
        _check_claims(run, proof),
        _check_history(run, proof, result),
        _check_lineage(proof),
        _check_seed(run, proof),
        _check_commitment(proof, registration),
        _check_weights(run, found),
        _check_datasets(proof, datasets, report),
        _check_signature(proof, signer),
        _check_envelope(run, proof),
        _check_timestamp(run, authorities),
        _check_registration(proof, registration, signer),
    ]
    for check in checks:
        result.items.extend(check)
    result.required = result.updates if require_updates == "all" else 1 if require_updates is None else require_updates
    if depth != "hashes":
        source = str(datasets[0]) if datasets else None
        sample = {"seed": seed, "at_least": require_updates} if depth == "replay" else None
        _replay(run, proof, result, sample=sample, source=source, report=report)
        if require_updates is None:
            result.required = max(1, result.chosen)
    return result


def _check_usage(depth: str, seed: str | None, require_updates: object) -> None:
    if depth not in ("hashes", "replay", "full"):
        raise UsageError(f"unknown depth {depth!r}", "choose hashes, replay or full")
    if require_updates not in (None, "all") and not (isinstance(require_updates, int) and require_updates >= 0):
        raise UsageError(f"{require_updates!r} is not a number of updates", "give a number from 0, or all")
    if depth == "replay" and not seed:
        raise UsageError(
            "a sample takes a seed that nobody knew when the run was signed: an author works around any other",
            "give --seed, such as the hash of a later block, or --on-chain; or do all again with --depth full",
        )


def _replay(run: Path, proof: Proof, result: Verification, **options: Any) -> None:
    if result.failures:
        result.items.append(Item("replay", "skipped", "the hashes don't hold: there is nothing to replay"))
        return
    from gatllm.proof.replay import check_replay

    result.items.extend(check_replay(run, result, log_hash=proof.hashes.log_hash, **options))


def _check_files(run: Path, proof: Proof, found: Inventory, present: Listing) -> Iterator[Item]:
    bad = 0
    for name in sorted(set(proof.files) | set(present.files)):
        expected, actual = proof.files.get(name), found.entries.get(name)
        if expected is None:
            trouble = "is not covered by the proof"
        elif name not in present.files:
            trouble = "is missing"
        elif actual is None:
            trouble = "can't be read"
        elif actual != expected:
            what = "was changed: its hash differs"
            if actual["size"] != expected["size"]:
                what = f"has {actual['size']} bytes instead of {expected['size']}"
            trouble = what + likely_cause(run / name, expected)
        else:
            continue
        bad += 1
        yield Item(name, "failed", trouble)
    if not bad:
        size = sum(int(entry["size"]) for entry in found.entries.values())
        yield Item("files", "ok", f"{len(found.entries)} files, {size} bytes, every hash as the proof states")
    for name, why in sorted(present.passed_over.items()):
        yield Item(name, "skipped", f"passed over: {why}")


def _check_history(run: Path, proof: Proof, result: Verification) -> Iterator[Item]:
    """Hold what the log tells against what training can write, and note how many updates it tells of."""
    try:
        entries = read_log(run / "log.jsonl")
    except GatllmError:
        return  # said by the item on the log
    try:
        check_times(entries, proof.created)
        history = read_history(entries)
    except VerificationError as error:
        yield Item("history", "failed", error.cause)
        return
    result.updates = history.updates
    span = f"{entries[0]['time']} to {entries[-1]['time']}"
    yield Item("history", "ok", f"{history.updates} updates in order, {len(history.checkpoints)} checkpoints")
    yield Item("time", "claimed", f"{span}, by the trainer's clock")
    commitments = entries[0].get("commitments")
    environment = commitments.get("environment") if isinstance(commitments, dict) else None
    if isinstance(environment, dict):
        names = ("processor", "threads", "dtype", "torch")
        yield Item("environment", "claimed", ", ".join(f"{name} {environment.get(name)}" for name in names))


def _check_lineage(proof: Proof) -> Iterator[Item]:
    """Show which runs it is said to go on from: their weights are not here, their proofs are checked apart."""
    commitments = proof.claims.model.get("commitments")
    initial = commitments.get("init_root") if isinstance(commitments, dict) else None
    for parent in proof.lineage:
        begins = "its weights are" if parent.get("weights_root") == initial else "its weights are not"
        detail = f"continues from the run of proof {parent.get('proof')}, signed by {parent.get('signer')}"
        yield Item("lineage", "claimed", f"{detail}: {begins} the initial ones")


def _check_weights(run: Path, found: Inventory) -> Iterator[Item]:
    try:
        entries = read_log(run / "log.jsonl")
    except GatllmError:
        return  # said by the item on the log
    logged: dict[str, Any] = {}
    for entry in entries:  # a step done twice, after a crash, counts as it was done last
        if entry["event"] == "checkpoint":
            step = entry.get("step")
            if not isinstance(step, int):
                yield Item("weights", "failed", "a checkpoint in the log has no step")
                return
            folder = f"checkpoints/step-{step:08d}"
            logged[f"{folder}/model.safetensors"] = entry.get("weights_root")
            logged[f"{folder}/state.safetensors"] = entry.get("state_root")
        elif entry["event"] == "end":
            logged["model.safetensors"] = entry.get("weights_root")
    bad = 0
    for name, root in found.weights_roots.items():
        if logged.get(name) != root:
            bad += 1
            yield Item(f"weights {name}", "failed", "are not the ones that the log names")
    kept = len(found.weights_roots.keys() & logged.keys())
    if "model.safetensors" not in found.weights_roots:
        yield Item("weights", "failed", "the final weights are missing or damaged")
    elif not bad:
        yield Item("weights", "ok", f"{kept} of {len(logged)} logged weights are here, each as logged")


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


def _check_seed(run: Path, proof: Proof) -> Iterator[Item]:
    from gatllm.training.seeds import committed_seed

    try:
        recipe = read_recipe(run)
        determinism = recipe.get("determinism", {})
        if determinism.get("seed") != "committed":
            yield Item("seed", "skipped", "chosen by the trainer, not derived from the commitments")
            return
        block = proof.claims.seed_block
        trainer = proof.claims.seed_trainer
        derived = committed_seed(proof.hashes.data_hash, proof.claims.plan_hash(), block or "", trainer)
    except (GatllmError, KeyError, TypeError, AttributeError):
        yield Item("seed", "failed", "the recipe or the commitments are not those of a training run")
        return
    if trainer is not None and trainer.lower() != proof.signer.lower():
        yield Item("seed", "failed", f"is {trainer}'s, but {proof.signer} signed: another's run")
    elif recipe.get("seed") == derived:
        by = f"and the hash of block {block}" if block else "alone: no later block"
        by += f", for {trainer}" if trainer else ""
        yield Item("seed", "ok", f"derived from data, recipe, tokenizer, code and environment {by}")
    else:
        yield Item("seed", "failed", f"is {recipe.get('seed')} instead of {derived}, which the commitments give")


def _check_commitment(proof: Proof, registration: Registration | None) -> Iterator[Item]:
    """Hold the block that the seed is said to follow from against the one after the promise on chain."""
    try:
        block = proof.claims.seed_block
    except VerificationError:
        return  # said by the item on the seed
    if block is None:
        return  # nothing is claimed; the item on the seed says so
    if registration is None:
        yield Item("commitment", "skipped", f"no chain was asked whether block {block} came after the commitment")
        return
    promised = registration.commitment
    if promised is None:
        yield Item("commitment", "failed", "the run does not answer a commitment to this data and plan on this chain")
    elif promised.later_hash != block:
        detail = f"the seed is from block {block}, not from the one after the commitment, {promised.later_hash}"
        yield Item("commitment", "failed", detail)
    elif promised.time is not None and _seconds(proof.claims.log["started"]) < promised.time - _CLOCKS:
        yield Item("commitment", "failed", "the log begins before its commitment")
    else:
        detail = f"data and plan promised in block {promised.block}; the block after it gave the seed"
        yield Item("commitment", "ok", detail + (f" ({promised.note})" if promised.note else ""))


def _check_datasets(proof: Proof, folders: Sequence[Path], report: Report) -> Iterator[Item]:
    if not folders:
        yield Item("data", "skipped", "no dataset was given to compute data_hash from")
        return
    roots = []
    for folder in folders:
        found = dataset_root(folder, report)
        stated = found if folder.is_file() else read_manifest(folder).get("merkle_root")
        roots.append(found)
        if stated != found:
            yield Item(f"data {folder.name}", "failed", "its records are not the ones its manifest states")
        elif changed := _changed_since(proof, folder, found):
            yield Item(
                f"data {folder.name}", "failed", f"its manifest states another {', '.join(changed)} than the proof"
            )
    if data_root(roots) != proof.hashes.data_hash:
        yield Item("data", "failed", "the run was trained on other records than these")
    else:
        what = f"the records of {len(roots)} dataset(s) give the root that log and proof state"
        yield Item("data", "ok", f"{what}; that they were trained on, only a replay shows")


def _changed_since(proof: Proof, folder: Path, root: str) -> list[str]:
    """Return what the dataset's manifest says otherwise than when the run was proven; where it lies may change."""
    now = summarise(folder)
    for then in proof.datasets:
        if then.get("merkle_root") == root:
            return sorted(key for key in then.keys() - {"manifest", "cid", "name"} if then[key] != now.get(key))
    return []


def _names(entry: dict[str, str], signer: str) -> bool:
    return entry.keys() == {"scheme", "signer", "signature"} and entry["signer"] == signer


def _check_signature(proof: Proof, expected: str | None) -> Iterator[Item]:
    statement = proof.digest()
    schemes = [entry.get("scheme") for entry in proof.signatures]
    if schemes != ["eip712", "ed25519"]:
        yield Item("signature", "failed", "it takes one EIP-712 and one Ed25519 signature")
        return
    wallet, plain = proof.signatures
    bad = []
    found = recover(wallet.get("signature"), proof.hashes, files_root(proof.files), statement)
    if found != proof.signer or not _names(wallet, proof.signer):
        bad.append(f"{proof.signer}'s EIP-712 signature")
    if not verify_statement(proof.ed25519, plain.get("signature"), statement) or not _names(plain, proof.ed25519):
        bad.append(f"{proof.ed25519}'s Ed25519 signature")
    if bad:
        yield Item("signature", "failed", f"not {' nor '.join(bad)} of this proof")
    else:
        yield Item("signature", "ok", f"signed by {proof.signer} (EIP-712 and Ed25519)")
    if expected is None:
        yield Item("signer", "skipped", "nobody said who must have signed")
    elif expected.lower() != proof.signer.lower():
        yield Item("signer", "failed", f"signed by {proof.signer}, not by {expected}")
    else:
        yield Item("signer", "ok", proof.signer)


def _check_envelope(run: Path, proof: Proof) -> Iterator[Item]:
    if (run / ENVELOPE_FILE).exists():
        trouble = check_envelope(run, proof)
        yield Item(ENVELOPE_FILE, "failed" if trouble else "ok", trouble or "says what the proof says, same key")


def _check_timestamp(run: Path, authorities: Sequence[Path]) -> Iterator[Item]:
    if (run / TIMESTAMP_FILE).exists():
        yield check_timestamp(run, authorities)
    elif authorities:
        yield Item(TIMESTAMP_FILE, "failed", "there is no time stamp")


def _check_registration(proof: Proof, registration: Registration | None, signer: str | None) -> Iterator[Item]:
    if registration is None:
        yield Item("registration", "skipped", "no registration was given")
        return
    wrong = [name for name in Hashes.__slots__ if getattr(registration.hashes, name) != getattr(proof.hashes, name)]
    if wrong:
        yield Item("registration", "failed", f"the chain holds another {', '.join(wrong)}")
    elif registration.trainer.lower() != proof.signer.lower():
        yield Item("registration", "failed", f"registered by {registration.trainer}, signed by {proof.signer}")
    elif registration.time is not None and _seconds(proof.claims.log["ended"]) > registration.time + _CLOCKS:
        yield Item("registration", "failed", "the log ends after it was registered")
    else:
        yield Item("registration", "ok", f"the four hashes are registered by {registration.trainer}")
    # Whoever has the files can sign and register them too, even before their author: told, and not held against anyone.
    for other in registration.earlier:
        yield Item("earlier registration", "claimed", other)
    if registration.unanswered:
        blocks = ", ".join(map(str, registration.unanswered))
        detail = (
            f"{len(registration.unanswered)} of the trainer's, in block(s) {blocks}: so many seeds may have been tried"
        )
        yield Item("unanswered commitments", "claimed", detail)
    if registration.commitment is None and signer is None:
        yield Item("authorship", "skipped", "not shown: no commitment before training, and nobody said who must sign")


def _seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, TypeError):
        return math.nan  # said by the item on the history
