"""Checking and registering proofs of training from the shell: what `gatllm proof verify`, `replay`, `register` do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from gatllm.cli.amounts import receipt_json
from gatllm.cli.console import out, print_json, progress_report, table
from gatllm.cli.market_options import MarketOptions, show_quote
from gatllm.cli.options import Json, RunFolder
from gatllm.cli.restart import restart_with

if TYPE_CHECKING:
    from gatllm.proof import Proof, Registration

_NO_OPTIONS = MarketOptions()
_MARKS = {
    "ok": "[green]ok[/]",
    "failed": "[bold red]FAILED[/]",
    "skipped": "[yellow]skipped[/]",
    "claimed": "[yellow]claim[/]",
}
_OUTCOMES = {
    "verified": "[green]verified:[/]",
    "intact": "[green]intact:[/]",
    "inconclusive": "[yellow]inconclusive:[/]",
    "failed": "[bold red]verification failed:[/]",
}


def verify(
    run: RunFolder,
    *,
    dataset: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    signer: str | None = None,
    depth: Literal["hashes", "replay", "full"] = "hashes",
    require_updates: str | None = None,
    seed: str | None = None,
    ignore: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    on_chain: bool = False,
    substrate: str | None = None,
    authority: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    segments: Annotated[str | None, Parameter(show=False)] = None,
    json: bool = False,
    setting: MarketOptions = _NO_OPTIONS,
) -> int:
    """Check a run against its proof. Exit code 0: as much of the training as asked for was done again and holds;
    3: something does not hold; 4: nothing fails, but what was asked for is not shown.

    Parameters
    ----------
    dataset
        A dataset folder that it claims to be trained on; may be repeated.
    signer
        The address that must have signed.
    depth
        How deep to look: recompute all hashes and signatures; also do parts of the training again; or all of it.
    require_updates
        How many updates must have been done again for exit code 0: a number, or all. 0 takes hashes and signatures
        alone for enough (intact, not verified). By default all that the depth chooses, at least one.
    seed
        What draws the parts to do again: something nobody knew when the run was signed, such as a later block's hash.
    ignore
        A file or folder that is not part of the run (a path in it, or a name at any depth); may be repeated.
    on_chain
        Also compare with what is registered, and the seed with the block after the commitment; the hash of the block
        after the registration draws what is replayed.
    substrate
        Also compare with the block of this Substrate chain (ws://…) that proof.substrate.json in the run names.
    authority
        The root certificate (PEM) of an authority whose time stamp counts; may be repeated.
    json
        Print JSON instead of one line per item.
    """
    from gatllm.errors import UsageError
    from gatllm.proof import numerical_variables, visible
    from gatllm.proof import verify as verify_run

    if segments is not None:
        raise UsageError("--segments is not an option any more", "say how many updates: --require-updates N")
    if depth != "hashes":
        restart_with(numerical_variables(run))
    registration = None
    if on_chain and substrate is not None:
        raise UsageError("--on-chain and --substrate are two chains", "verify against one after the other")
    if substrate is not None:
        registration = _registered_on_substrate(run, substrate)
    elif on_chain:
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
        raise UsageError(f"--require-updates {text} is not a number of updates", "give a number, or all")
    return int(text)


def replay(
    run: RunFolder,
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


def _register_on_substrate(url: str, run: Path, proof: Proof, *, json: bool) -> None:
    from gatllm.market import SubstrateRegistry

    with SubstrateRegistry(url, run, os.environ.get("GATLLM_SUBSTRATE_SECRET")) as registry:
        done = registry.register(proof)
        registrar = registry.registrar
    value = {"trainer": proof.signer, "registrar": registrar, "block": done.block if done else None}
    if json:
        print_json(value | {"extrinsic": done.hash if done else None, "fee": str(done.fee) if done else None})
    else:
        table("registered" if done else "registered before", ("what", "value"), list(value.items()))


def _registered_on_substrate(run: Path, url: str) -> Registration:
    """Return what the block of a Substrate chain holds about a run."""
    from gatllm.errors import GatllmError
    from gatllm.market import SubstrateRegistry
    from gatllm.proof import read_proof

    with SubstrateRegistry(url, run) as registry:
        found = registry.registration_of(read_proof(run))
    if found is None:
        raise GatllmError(f"{run} is not registered on the chain at {url}", "gatllm proof register --substrate does so")
    return found


def _registered(run: Path, setting: MarketOptions) -> tuple[Registration, str | None]:
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


def register(
    run: RunFolder,
    *,
    substrate: str | None = None,
    dry_run: bool = False,
    json: Json = False,
    setting: MarketOptions = _NO_OPTIONS,
) -> None:
    """Register a run's four hashes on a chain, with the key that signed its proof; a run is registered once.

    A run of `gatllm train --commit` answers its commitment with this.

    Parameters
    ----------
    substrate
        Register on the Substrate chain at this address (ws://…) instead, with the account whose secret is in
        GATLLM_SUBSTRATE_SECRET.
    dry_run
        Show the cost, send nothing.
    """
    from gatllm.market import ProofRegistry
    from gatllm.proof import read_proof, verify

    proof = read_proof(run)
    verify(run).raise_on_failure()
    if substrate is not None:
        _register_on_substrate(substrate, run, proof, json=json)
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
