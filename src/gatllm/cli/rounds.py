"""`gatllm rounds`: discriminator and generator against each other, round by round."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gatllm.cli.console import note, print_json, progress_report, table
from gatllm.cli.train import parse_overrides
from gatllm.errors import UsageError

if TYPE_CHECKING:
    from gatllm.adversarial import Standing
    from gatllm.training import Run


def rounds(
    run: Path | None = None,
    *,
    out: Path | None = None,
    generator: str | None = None,
    dataset: str | None = None,
    real: Path | None = None,
    rounds: int = 5,
    minutes: float = 2.0,
    cases: int = 12,
    prompts: int = 96,
    tests: bool = True,
    set_: Annotated[list[str] | None, Parameter(name=["--set", "-s"], negative="")] = None,
    set_generator: Annotated[list[str] | None, Parameter(negative="")] = None,
    key: Path | None = None,
    quiet: Annotated[bool, Parameter(negative=())] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Train discriminator and generator against each other, round by round; both are measured on fixed held-out code.

    The same command resumes rounds that were stopped. Every run that is trained leaves a proof.

    Args:
        run: run folder of a discriminator; the shipped one by default.
        out: folder of the rounds; runs/rounds by default.
        generator: run folder of a generator, or a recipe by which one is trained first; none: a breaker alone.
        dataset: code that both sides learn from and are measured on; the discriminator's own by default.
        real: dataset of mined mistakes, for a last phase after the rounds.
        rounds: how many.
        minutes: training of either side in each.
        cases: errors of each kind that the breaker tries, and that is measured on.
        prompts: signatures that the generator is measured on.
        tests: run functions in the sandbox to find out whether an injected error changes anything.
        set_: KEY=VALUE over the recipe of the discriminator's runs; may be repeated.
        set_generator: KEY=VALUE over the recipe of the generator's runs; may be repeated.
        key: the key file that signs the proofs (default: GATLLM_KEY, else the user's data folder).
        quiet: show no progress.
        json: print the standings as JSON.
    """
    if rounds < 1 or cases < 1 or prompts < 1 or minutes <= 0:
        raise UsageError("nothing to play", "--rounds, --cases and --prompts are at least 1, --minutes above 0")
    from gatllm.adversarial import Settings, play
    from gatllm.adversarial import rows as rows_of
    from gatllm.proof import load_key, write_proof
    from gatllm.proof.inventory import PROOF_FILE
    from gatllm.review.default import SHIPPED

    folder = out or Path("runs/rounds")
    signer = load_key(key)

    def prove(finished: Run, datasets: Sequence[Path], before: Path) -> None:
        if not (finished.path / PROOF_FILE).is_file():
            parents = [before] if (before / PROOF_FILE).is_file() else []
            write_proof(finished.path, signer, datasets=datasets, parents=parents)

    settings = Settings(
        minutes=minutes,
        cases=cases,
        prompts=prompts,
        tests=tests,
        overrides=parse_overrides(set_ or []),
        generator_overrides=parse_overrides(set_generator or []),
    )
    with progress_report(quiet=quiet) as report:
        found = play(
            run or SHIPPED,
            folder,
            rounds=rounds,
            generator=generator,
            dataset=dataset,
            real=real,
            settings=settings,
            finished=prove,
            observe=lambda standing: None if quiet else note(_line(standing)),
            report=report,
        )
    if json:
        print_json([standing.as_dict() for standing in found])
        return
    table(f"rounds in {folder}", *rows_of(found))
    if not quiet:
        note(f"see {folder / 'report' / 'report.md'}")


def _line(standing: Standing) -> str:
    from gatllm.adversarial import rows as rows_of

    names, (values,) = rows_of([standing])
    return "  " + " · ".join(f"{name} {value}" for name, value in zip(names, values, strict=True) if value)
