"""``gatllm proof``: show, verify and export a run's proof of training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from gatllm.cli.console import note, out, print_json, progress_report, table
from gatllm.cli.options import Json, RunFolder
from gatllm.cli.proof_verification import register, replay, verify

app = App(name="proof", help="Prove a run, and check anyone's proof.")

for _command in (verify, replay, register):
    app.command(_command)


@app.command
def show(run: RunFolder, *, json: Json = False) -> None:
    """Show what a run's proof claims; nothing is checked."""
    from gatllm.proof import read_proof

    proof = read_proof(run)
    if json:
        print_json(proof.as_dict() | {"digest": proof.digest()})
        return
    rows: list[tuple[str, Any]] = [
        ("proof", proof.digest()),
        *zip(("data_hash", "model_hash", "output_hash", "log_hash"), proof.hashes.as_bytes32(), strict=True),
        ("signed by", proof.signer),
        ("created", proof.created),
        ("trained", f"{proof.claims.log['started']} to {proof.claims.log['ended']}"),
        ("seed", f"from block {block}" if (block := proof.claims.seed_block) else "chosen by the trainer"),
        ("log entries", str(proof.claims.log["entries"])),
        ("files", f"{len(proof.files)}, {sum(int(entry['size']) for entry in proof.files.values()):,} bytes"),
        *(("continues", parent["proof"]) for parent in proof.lineage),
        *(("dataset", _dataset_line(summary)) for summary in proof.datasets),
        *((str(name), str(value)) for name, value in (proof.claims.output["metrics"] or {}).items()),
    ]
    table(str(run), ("what", "value"), rows)


def _dataset_line(summary: dict[str, Any]) -> str:
    parts = [summary.get("name"), summary.get("kind"), f"{summary.get('records', '?')} records"]
    people = (summary.get("contributor") or {}).get("name")
    return ", ".join(str(part) for part in (*parts, people) if part)


@app.command
def write(
    run: RunFolder,
    *,
    dataset: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    parent: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    ignore: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    key: Path | None = None,
) -> None:
    """Prove a finished run: hash all of it and sign the proof with the trainer's key.

    Parameters
    ----------
    dataset
        A dataset folder that it was trained on; may be repeated.
    parent
        A run that this one continues; may be repeated.
    ignore
        A file or folder that is not part of the run (a path in it, or a name at any depth); the proof records it.
    key
        The key file (default: GATLLM_KEY, else the user's data folder; made when there is none).
    """
    from gatllm.proof import load_key, write_proof

    with progress_report() as report:
        proof = write_proof(run, load_key(key), datasets=dataset, parents=parent, ignore=ignore, report=report)
    out.print(f"{run / 'proof.json'}: {proof.digest()} signed by {proof.signer}")


@app.command
def export(
    run: RunFolder,
    *,
    key: Path | None = None,
    model_signing: Annotated[bool, Parameter(negative=())] = False,
    out: Path | None = None,
) -> None:
    """Write the proof as an in-toto statement in a DSSE envelope, for tools that know nothing of gatllm.

    Parameters
    ----------
    key
        The key that signed the proof (default: GATLLM_KEY, else the user's data folder).
    model_signing
        Sign every file as OpenSSF's `model_signing verify key` reads it; its --public_key is `gatllm proof key --pem`.
    out
        The file to write (default: proof.intoto.json in the run folder, or RUN.sig beside it).
    """
    import json as json_module

    from gatllm.proof import load_key, read_proof, to_envelope, write_bundle, write_envelope
    from gatllm.records import write_file

    proof, signing = read_proof(run), load_key(key, create=False)
    if model_signing:
        out = out or run.resolve().with_name(f"{run.resolve().name}.sig")
        write_bundle(run, proof, signing, out)
    elif out is None:
        out = write_envelope(run, proof, signing)
    else:
        write_file(out, json_module.dumps(to_envelope(run, proof, signing), indent=1) + "\n")
    note(f"wrote {out}")


@app.command
def stamp(run: RunFolder, *, url: str | None = None, request: Path | None = None, response: Path | None = None) -> None:
    """Have an authority state when the proof was there (RFC 3161); give one of the options.

    Parameters
    ----------
    url
        Ask the authority at this address.
    request
        Write the query to this file, to be answered elsewhere.
    response
        Keep the answer in this file.
    """
    from gatllm.errors import GatllmError, UsageError
    from gatllm.proof import attach_timestamp, fetch_timestamp, timestamp_request
    from gatllm.records import write_file

    if [url, request, response].count(None) != 2:
        raise UsageError("stamp takes one of --url, --request, --response", "see gatllm proof stamp --help")
    if request is not None:
        write_file(request, timestamp_request(run))
        note(f"wrote {request}; keep the answer with --response")
        return
    if url is not None:
        when = fetch_timestamp(run, url)
    else:
        try:
            answer = Path(response or "").read_bytes()
        except OSError as error:
            raise GatllmError(f"can't read {response}: {error.strerror}", "name the authority's answer") from None
        when = attach_timestamp(run, answer)
    note(f"the authority states {when}; verify with --authority its root certificate")


@app.command
def key(*, path: Path | None = None, pem: Annotated[bool, Parameter(negative=())] = False, json: Json = False) -> None:
    """Show the public half of the trainer's key; it is made when there is none.

    Parameters
    ----------
    path
        The key file (default: GATLLM_KEY, else the user's data folder).
    pem
        Print the ECDSA P-256 public key of `proof export --model-signing` as PEM, nothing else.
    """
    from gatllm.proof import load_key

    loaded = load_key(path)
    if pem:
        out.print(loaded.p256_public, end="", markup=False, highlight=False)
    elif json:
        print_json({"address": loaded.address, "ed25519": loaded.ed25519_public, "p256": loaded.p256_public})
    else:
        table("", ("scheme", "public"), [("EIP-712 address", loaded.address), ("Ed25519", loaded.ed25519_public)])
