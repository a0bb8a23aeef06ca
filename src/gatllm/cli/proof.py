"""``gatllm proof``: show, verify and export a run's proof of training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from gatllm.cli.console import note, out, print_json, progress_report, table
from gatllm.cli.market_setting import Setting, receipt_json, show_quote
from gatllm.cli.restart import restart_with

if TYPE_CHECKING:
    from gatllm.proof import Proof, Registration

_NO_SETTING = Setting()
app = App(name="proof", help="Prove a run, and check anyone's proof.")

_MARKS = {
    "ok": "[green]ok[/]",
    "failed": "[bold red]FAILED[/]",
    "skipped": "[yellow]skipped[/]",
    "claimed": "[yellow]claim[/]",
}
_OUTCOMES = {
    "verified": "[green]verified:[/]",
    "inconclusive": "[yellow]inconclusive:[/]",
    "failed": "[bold red]verification failed:[/]",
}


@app.command
def show(run: Path, *, json: bool = False) -> None:
    """Show what a run's proof claims; nothing is checked.

    Parameters
    ----------
    run
        The run folder.
    json
        Print JSON instead of a table.
    """
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
    run: Path,
    *,
    dataset: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    parent: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    ignore: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    key: Path | None = None,
) -> None:
    """Prove a finished run: hash all of it and sign the proof with the trainer's key.

    Parameters
    ----------
    run
        The run folder.
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
def verify(
    run: Path,
    *,
    dataset: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    signer: str | None = None,
    depth: Literal["hashes", "replay", "full"] = "hashes",
    require_updates: str | None = None,
    seed: str | None = None,
    ignore: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    on_chain: bool = False,
    authority: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    segments: Annotated[str | None, Parameter(show=False)] = None,
    json: bool = False,
    setting: Setting = _NO_SETTING,
) -> int:
    """Check a run against its proof. Exit code 0: as much of the training as asked for was done again and holds;
    3: something does not hold; 4: nothing fails, but what was asked for is not shown.

    Parameters
    ----------
    run
        The run folder.
    dataset
        A dataset folder that it claims to be trained on; may be repeated.
    signer
        The address that must have signed.
    depth
        How deep to look: recompute all hashes and signatures; also do parts of the training again; or all of it.
    require_updates
        How many updates must have been done again for exit code 0: a number, or all. 0 takes hashes and signatures
        alone for enough. By default all that the depth chooses, at least one.
    seed
        What draws the parts to do again: something nobody knew when the run was signed, such as a later block's hash.
    ignore
        A file or folder that is not part of the run (a path in it, or a name at any depth); may be repeated.
    on_chain
        Also compare with what is registered, and the seed with the block after the commitment; the hash of the block
        after the registration draws what is replayed.
    authority
        The root certificate (PEM) of an authority whose time stamp counts; may be repeated.
    json
        Print JSON instead of one line per item.
    """
    from gatllm.errors import UsageError
    from gatllm.proof import numerical_variables, visible
    from gatllm.proof import verify as verify_run

    if segments is not None:
        raise UsageError("--segments is no option any more", "say how many updates: --require-updates N")
    if depth != "hashes":
        restart_with(numerical_variables(run))
    registration = None
    if on_chain:
        registration, later = _registered(run, setting)
        seed = seed or later
    with progress_report(quiet=json) as report:
        result = verify_run(
            run,
            depth=depth,
            datasets=dataset,
            signer=signer,
            registration=registration,
            require_updates=_updates(require_updates),
            seed=seed,
            ignore=ignore,
            authorities=authority,
            report=report,
        )
    if json:
        print_json(result.as_dict())
        return result.exit_code
    from rich.markup import escape

    for item in result.items:
        out.print(f"{_MARKS[item.verdict]:<24} {escape(str(item))}")
    out.print(f"{_OUTCOMES[result.outcome]} {escape(visible(result.reached))}")
    return result.exit_code


def _updates(text: str | None) -> int | Literal["all"] | None:
    from gatllm.errors import UsageError

    if text is None or text == "all":
        return text  # type: ignore[return-value]
    if not text.isdecimal():
        raise UsageError(f"--require-updates {text} is no number of updates", "give a number, or all")
    return int(text)


@app.command
def replay(
    run: Path,
    *,
    dataset: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    require_updates: str | None = None,
    seed: str | None = None,
    segments: Annotated[str | None, Parameter(show=False)] = None,
    json: bool = False,
) -> int:
    """Do sampled parts of a run's training again: short for `verify --depth replay`.

    Parameters
    ----------
    run
        The run folder.
    dataset
        The data, where it does not lie where the recipe says.
    require_updates
        How many updates at least, or all.
    seed
        What draws those parts, such as the hash of a block after the registration.
    json
        Print JSON instead of one line per item.
    """
    return verify(
        run,
        dataset=dataset,
        depth="replay",
        require_updates=require_updates,
        seed=seed,
        segments=segments,
        json=json,
    )


def _register_on_substrate(url: str, proof: Proof, *, json: bool) -> None:
    import os

    from gatllm.market import SubstrateRegistry

    with SubstrateRegistry(url, os.environ.get("GATLLM_SUBSTRATE_SECRET")) as registry:
        done = registry.register(proof)
        registrar = registry.registrar
    value = {"trainer": proof.signer, "registrar": registrar, "block": done.block if done else None}
    if json:
        print_json(value | {"extrinsic": done.hash if done else None, "fee": str(done.fee) if done else None})
    else:
        table("registered" if done else "registered before", ("what", "value"), list(value.items()))


def _registered(run: Path, setting: Setting) -> tuple[Registration, str | None]:
    """Return what the chain holds about a run, and the hash of the block after it was registered."""
    from gatllm.errors import GatllmError
    from gatllm.market import ProofRegistry
    from gatllm.proof import read_proof

    chain = setting.chain(account=False)
    registry, proof = ProofRegistry(chain, setting.deployment(chain)), read_proof(run)
    later = registry.later_value(proof)
    found = registry.registration_of(proof)
    if found is None:  # a reorganisation between the two questions
        raise GatllmError(f"{run} is no longer registered", "ask again")
    return found, later


@app.command
def register(
    run: Path,
    *,
    substrate: str | None = None,
    dry_run: bool = False,
    json: bool = False,
    setting: Setting = _NO_SETTING,
) -> None:
    """Register a run's four hashes on a chain, with the key that signed its proof; a run is registered once.

    A run of `gatllm train --commit` answers its commitment with this.

    Parameters
    ----------
    run
        The run folder.
    substrate
        Register on the Substrate chain at this address (ws://…) instead, with the account whose secret is in
        GATLLM_SUBSTRATE_SECRET.
    dry_run
        Show the cost, send nothing.
    json
        Print JSON instead of a table.
    """
    from gatllm.market import ProofRegistry
    from gatllm.proof import read_proof, verify

    proof = read_proof(run)
    verify(run).raise_on_failure()
    if substrate is not None:
        _register_on_substrate(substrate, proof, json=json)
        return
    with progress_report(quiet=json) as report:
        chain = setting.chain(report=report)
        registry = ProofRegistry(chain, setting.deployment(chain))
        if dry_run:
            show_quote(registry.quote(proof), json=json)
            return
        receipt = registry.register(proof)
        found = registry.get(proof)
    if json:
        value = {"run": found.run, "trainer": found.trainer, "block": found.registered_block}
        print_json(value | {"committed_block": found.committed_block, "receipt": receipt_json(receipt)})
        return
    rows = [("run", found.run), ("trainer", found.trainer), ("block", f"{found.registered_block:,}")]
    if found.committed_block:
        rows.append(("committed to", f"in block {found.committed_block:,}"))
    table("registered" if receipt else "registered before", ("what", "value"), rows)


@app.command
def export(
    run: Path,
    *,
    key: Path | None = None,
    model_signing: Annotated[bool, Parameter(negative=())] = False,
    out: Path | None = None,
) -> None:
    """Write the proof as an in-toto statement in a DSSE envelope, for tools that know nothing of gatllm.

    Parameters
    ----------
    run
        The run folder.
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
def stamp(run: Path, *, url: str | None = None, request: Path | None = None, response: Path | None = None) -> None:
    """Have an authority state when the proof was there (RFC 3161); give one of the options.

    Parameters
    ----------
    run
        The run folder.
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
def key(*, path: Path | None = None, pem: Annotated[bool, Parameter(negative=())] = False, json: bool = False) -> None:
    """Show the public half of the trainer's key; it is made when there is none.

    Parameters
    ----------
    path
        The key file (default: GATLLM_KEY, else the user's data folder).
    pem
        Print the ECDSA P-256 public key of `proof export --model-signing` as PEM, nothing else.
    json
        Print JSON instead of a table.
    """
    from gatllm.proof import load_key

    loaded = load_key(path)
    if pem:
        out.print(loaded.p256_public, end="", markup=False, highlight=False)
    elif json:
        print_json({"address": loaded.address, "ed25519": loaded.ed25519_public, "p256": loaded.p256_public})
    else:
        table("", ("scheme", "public"), [("EIP-712 address", loaded.address), ("Ed25519", loaded.ed25519_public)])
