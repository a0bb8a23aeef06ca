"""``gatllm data``: check, build, break and show data."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from gatllm.cli.console import diff_lines, note, out, print_diff, print_json, progress_report, table
from gatllm.errors import UsageError

if TYPE_CHECKING:
    from gatllm.data import Dataset

app = App(name="data", help="Turn code into datasets: verdicts, corruption, manifests.")

_Many = Annotated[list[str] | None, Parameter(negative="", consume_multiple=True)]
_Policy = Literal["reject", "redact", "keep"]


def _rules(file: Path | None) -> dict[str, str]:
    """Return the ``[rules]`` table of a TOML file."""
    if file is None:
        return {}
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(
            f"can't read the rules {file}: {error}", 'write [rules] with lines such as F841 = "score"'
        ) from None
    table_ = values.get("rules")
    if not isinstance(table_, dict) or not all(isinstance(value, str) for value in table_.values()):
        raise UsageError(f"{file} has no table [rules] of texts", 'write [rules] with lines such as F841 = "score"')
    return table_


@app.command
def check(
    paths: list[str],
    /,
    *,
    language: str = "python",
    rules: Path | None = None,
    target: str | None = None,
    thorough: bool = False,
    format_: Annotated[bool, Parameter(name="--format", negative="")] = False,
    run: Annotated[bool, Parameter(negative="")] = False,
    show: int = 20,
    html: Path | None = None,
    json: bool = False,
    quiet: bool = False,
) -> int:
    """Give each source file a verdict, good or bad, with the reasons. Exits with 1 when a file is bad.

    Parameters
    ----------
    paths
        Folders, files, archives, `stdlib`, `dist:NAME`.
    language
        Which files of folders and archives are meant: python, cpp.
    rules
        A TOML file whose table [rules] says what a rule means: bad, score or off.
    target
        The Python version to judge by, as py312; the running one by default.
    thorough
        Compile every file with CPython, not only those that ruff's parser doubts.
    format_
        Measure how much of each file `ruff format` would change.
    run
        Import each good file in the sandbox and report what goes wrong.
    show
        How many bad files to list.
    html
        Write a page with plots to this file.
    json
        Print every verdict and the summary as JSON.
    quiet
        Show no progress.
    """
    from contextlib import nullcontext

    from gatllm.data import Judge, Rules, Summary, check_paths, running, write_report

    ruled = Rules(_rules(rules))
    summary = Summary()
    first = True
    with (
        running() if run else nullcontext() as runner,
        progress_report(quiet=quiet or json) as report,
    ):
        judge = Judge(rules=ruled, target=target, thorough=thorough, formatter=format_, run=runner)
        for verdict in check_paths(paths, judge=judge, language=language, report=report):
            summary.add(verdict)
            if json:  # as it comes: memory must not grow with the number of files
                _print_part("[\n" if first else ",\n", verdict.as_dict())
                first = False
            elif not verdict.good and summary.bad <= show:
                reason = verdict.reasons[0]
                more = f" (and {len(verdict.reasons) - 1} more)" if len(verdict.reasons) > 1 else ""
                _line(f"{verdict.file.origin}:{reason.line}: {reason.rule} {reason.message}{more}")
    if json:
        _print_part("[\n" if first else ",\n", {"summary": summary.as_dict()})
        sys.stdout.write("\n]\n")
    else:
        if summary.bad > show:
            note(f"… and {summary.bad - show:,} more bad files; --show or --json lists them")
        rows = [(rule, ruled.severity(rule), n) for rule, n in summary.files_by_rule.most_common(12)]
        rows += [(rule, "score", n) for rule, n in summary.files_by_score.most_common(6)]
        if rows:
            table("", ("rule", "means", "files"), rows)
        _line(f"{summary.good:,} good, {summary.bad:,} bad of {summary.files:,} files, {summary.lines:,} lines")
    if html is not None:
        write_report(summary, ruled, html, f"Verdicts on {', '.join(paths)}")
        note(f"wrote {html}")
    if not summary.files:
        raise UsageError(f"nothing to read in {', '.join(paths)}", "name a folder that holds source files")
    return 1 if summary.bad else 0


def _print_part(before: str, value: dict[str, Any]) -> None:
    from json import dumps

    sys.stdout.write(before + dumps(value))


def _line(text: str) -> None:
    """Print a line on stdout whatever a file name in it holds."""
    out.print("".join(c if c.isprintable() else "�" for c in text), markup=False)


@app.command
def build(
    sources: list[str],
    /,
    *,
    out: Path | None = None,
    limit: int | None = None,
    seed: int = 0,
    language: str = "python",
    question_column: str = "",
    answer_column: str = "",
    contributor: str = "",
    wallet: str = "",
    licence: str = "",
    licence_allow: _Many = None,
    secrets: _Policy = "reject",
    addresses: _Policy = "redact",
    near: float = 0.9,
    against: Annotated[list[Path] | None, Parameter(negative="", consume_multiple=True)] = None,
    rules: Path | None = None,
    target: str | None = None,
    replace: Annotated[bool, Parameter(negative="")] = False,
    quiet: bool = False,
    json: bool = False,
) -> None:
    """Write a dataset of what passes; the rest goes to rejected.jsonl with its reasons.

    Run again after a stop, it goes on from what it had judged.

    Parameters
    ----------
    sources
        Folders, archives, `stdlib`, `dist:NAME`, `hf:NAME`, .txt, .json, .jsonl, .parquet files; `course` for the
        built-in Python course.
    out
        The dataset folder; datasets/NAME by default.
    limit
        That many records at most, drawn by the seed.
    seed
        What chance derives from.
    language
        Which files of folders and archives are meant: python, cpp.
    question_column
        The column of a table that holds the question, where its name does not tell.
    answer_column
        The column that holds the answer.
    contributor
        Who brings the data.
    wallet
        The contributor's address on the chain.
    licence
        SPDX identifier of what states no licence itself.
    licence_allow
        Keep only these licences (patterns such as BSD-*).
    secrets
        What to do about keys and tokens.
    addresses
        What to do about e-mail addresses.
    near
        Share of common lines that makes a near duplicate; 0 finds exact ones only.
    against
        Datasets that must not be repeated.
    rules
        A TOML file whose table [rules] says what a rule means: bad, score or off.
    target
        The Python version to judge by, as py312.
    replace
        Put the new dataset in the place of one that is there.
    quiet
        Show no progress.
    json
        Print the manifest as JSON.
    """
    from gatllm.data import Columns, Contributor, Options, build_course
    from gatllm.data import build as build_dataset

    folder = out or Path("datasets") / _name(sources)
    options = Options(
        language=language,
        columns=Columns(question_column, answer_column),
        contributor=Contributor(name=contributor, wallet=wallet),
        licence=licence,
        licence_allow=licence_allow or (),
        secrets=secrets,
        addresses=addresses,
        near=near,
        against=against or (),
        rules=_rules(rules),
        target=target,
    )
    with progress_report(quiet=quiet) as report:
        if sources == ["course"]:
            made = build_course(folder, limit=limit, seed=seed, options=options, replace=replace, report=report)
        else:
            made = build_dataset(
                list(sources), folder, limit=limit, seed=seed, options=options, replace=replace, report=report
            )
    _show(made, json=json)


def _name(sources: Sequence[str]) -> str:
    first = sources[0].rpartition(":")[2]
    return Path(first).resolve().name.partition(".")[0] if "/" in first or first in {".", ".."} else Path(first).stem


@app.command
def corrupt(
    source: str,
    /,
    *,
    out: Path | None = None,
    level: Annotated[list[int] | None, Parameter(negative="", consume_multiple=True)] = None,
    growing: Annotated[bool, Parameter(negative="")] = False,
    families: _Many = None,
    seed: int = 0,
    limit: int | None = None,
    processes: int | None = None,
    replace: Annotated[bool, Parameter(negative="")] = False,
    quiet: bool = False,
    json: bool = False,
) -> None:
    """Break good code: a dataset into a negative dataset, or one file, shown.

    Parameters
    ----------
    source
        A positive dataset folder, a source file, or - for stdin.
    out
        The folder of the negative dataset; SOURCE-broken by default.
    level
        Difficulties from 1 (one error against the grammar) to 5 (several close together, half against the meaning).
    growing
        Let the difficulty grow from the first record to the last.
    families
        Only these kinds of error; `gatllm data families` lists them.
    seed
        What chance derives from.
    limit
        That many pairs at most.
    processes
        Child processes; one for each processor by default.
    replace
        Put the new dataset in the place of one that is there.
    quiet
        Show no progress.
    json
        Print JSON.
    """
    from gatllm.data import Curriculum, build_negative

    if source == "-" or Path(source).is_file():
        _corrupt_one(source, level or [1], families, seed, json=json)
        return
    folder = out or Path(f"{source.rstrip('/')}-broken")
    plan = Curriculum.growing() if growing else level or [1, 2, 3, 4, 5]
    with progress_report(quiet=quiet) as report:
        made = build_negative(
            source,
            folder,
            seed=seed,
            level=plan,
            families=families,
            limit=limit,
            processes=processes,
            replace=replace,
            report=report,
        )
    _show(made, json=json)


def _corrupt_one(source: str, levels: Sequence[int], families: list[str] | None, seed: int, *, json: bool) -> None:
    from dataclasses import asdict
    from random import Random

    from gatllm.data import corrupt as corrupt_text
    from gatllm.data.languages import language_of
    from gatllm.data.verdicts.verdict import decode

    data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    try:
        text = decode(data)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise UsageError(f"{source} is no text: {error}", "name a source file") from None
    rng = Random(seed)
    made = corrupt_text(text, rng, rng.choice(levels), families, language=language_of(source))
    if made is None:
        raise UsageError(f"{source} can't be broken", "name code that parses and has room for such an error")
    if json:
        print_json(asdict(made))
        return
    note(f"{', '.join(made.families)}: {made.message or 'it still parses'}")
    print_diff(diff_lines(text, made.broken, Path(source).name))


@app.command
def mine(
    sources: list[str],
    /,
    *,
    out: Path | None = None,
    tokens: int = 8,
    hunks: int = 2,
    kinds: _Many = None,
    licence: str = "",
    contributor: str = "",
    wallet: str = "",
    processes: int | None = None,
    replace: Annotated[bool, Parameter(negative="")] = False,
    quiet: bool = False,
    json: bool = False,
) -> None:
    """Find real mistakes in version history: small changes that look like fixes, as a negative dataset.

    Parameters
    ----------
    sources
        Wheels and sdists of consecutive releases or folders of them, folders that are versions of one thing in order,
        git checkouts (commits whose message speaks of a fix).
    out
        The dataset folder; datasets/NAME-mistakes by default.
    tokens
        Changed tokens of a fix at most.
    hunks
        Places of a fix at most.
    kinds
        Only these kinds of mistake, such as name, argument, comparison.
    licence
        SPDX identifier of what states none itself.
    contributor
        Who brings the data.
    wallet
        The contributor's address on the chain.
    processes
        Child processes; one for each processor by default.
    replace
        Put the new dataset in the place of one that is there.
    quiet
        Show no progress.
    json
        Print the manifest as JSON.
    """
    from gatllm.data import Contributor
    from gatllm.data import mine as mine_dataset

    folder = out or Path("datasets") / f"{_name(sources)}-mistakes"
    with progress_report(quiet=quiet) as report:
        made = mine_dataset(
            list(sources),
            folder,
            tokens=tokens,
            hunks=hunks,
            kinds=kinds or (),
            licence=licence,
            contributor=Contributor(name=contributor, wallet=wallet),
            processes=processes,
            replace=replace,
            report=report,
        )
    _show(made, json=json)


@app.command
def show(
    dataset: Path,
    /,
    *,
    records: int = 0,
    rejected: int = 0,
    verify: Annotated[bool, Parameter(negative="")] = False,
    json: bool = False,
) -> None:
    """Show what a dataset holds.

    Parameters
    ----------
    dataset
        The dataset folder.
    records
        Show the first so many records too.
    rejected
        Show the first so many rejected items too.
    verify
        Recompute all hashes and the Merkle root; exits with 3 when something differs.
    json
        Print JSON.
    """
    from itertools import islice

    from gatllm.data import Dataset

    opened = Dataset.open(dataset)
    if verify:
        opened.verify()
        note("verified: every shard and the Merkle root")
    some = list(islice(opened.records(), records))
    refused = list(islice(opened.rejected(), rejected))
    if json:
        print_json({**opened.manifest.model_dump(), "first_records": some, "first_rejected": refused})
        return
    _show(opened, json=False)
    for record in some:
        _line(f"— {record['id']} {record['origin']} {record['licence']}")
        if "broken" in record:
            print_diff(diff_lines(record["broken"], record["text"], record["origin"].rpartition("/")[2]))
        else:
            print_json(record)
    for entry in refused:
        _line(f"{entry['origin']}: " + "; ".join(f"{one['rule']} {one['message']}" for one in entry["reasons"][:3]))


def _show(dataset: Dataset, *, json: bool) -> None:
    manifest = dataset.manifest
    if json:
        print_json({"path": str(dataset.path), **manifest.model_dump()})
        return
    rows: list[tuple[str, object]] = [
        ("kind", manifest.kind),
        ("records", manifest.records),
        ("bytes", sum(shard.bytes for shard in manifest.shards)),
        ("sources", ", ".join(manifest.sources)),
        ("licences", ", ".join(f"{name} {count:,}" for name, count in manifest.licences.items())),
        ("rejected", ", ".join(f"{name} {count:,}" for name, count in manifest.rejected.items()) or "none"),
        (
            "contributor",
            " ".join(filter(None, (manifest.contributor.name, manifest.contributor.wallet))) or "not named",
        ),
        ("Merkle root", manifest.merkle_root),
    ]
    if manifest.stages:
        rows.insert(2, ("stages", " → ".join(manifest.stages)))
    if manifest.parent:
        rows.append(("made from", manifest.parent))
    table(str(dataset.path), ("what", "value"), [(name, f"{v:,}" if isinstance(v, int) else v) for name, v in rows])
    if unknown := manifest.licences.get("NOASSERTION"):
        note(f"{unknown:,} records state no licence; --licence names one, --licence-allow keeps only known ones")


@app.command
def tokenise(
    dataset: Path,
    tokenizer: Path,
    /,
    *,
    out: Path | None = None,
    split: Literal["train", "validation"] | None = None,
    replace: Annotated[bool, Parameter(negative="")] = False,
    quiet: bool = False,
    json: bool = False,
) -> None:
    """Write the token files of a dataset, memory-mapped by the loader.

    Parameters
    ----------
    dataset
        A positive or conversation dataset.
    tokenizer
        A tokenizer.json or its folder.
    out
        The folder of token files; DATASET-tokens by default.
    split
        Only the records that train, or those that validate.
    replace
        Put it in the place of one that is there.
    quiet
        Show no progress.
    json
        Print JSON.
    """
    from gatllm.data import tokenise as write_tokens
    from gatllm.tokenizers import TokenizerBase, load

    opened = load(tokenizer)
    if not isinstance(opened, TokenizerBase):
        raise UsageError(f"{tokenizer} can't render conversations", "name another tokeniser")
    folder = out or dataset.with_name(f"{dataset.name}-tokens")
    with progress_report(quiet=quiet) as report:
        shards = write_tokens(dataset, opened, folder, split=split, replace=replace, report=report)
    facts = {
        "path": str(folder),
        "tokens": len(shards),
        "documents": len(shards.documents) - 1,
        "files": len(shards.index.shards),
    }
    if json:
        print_json(facts)
    else:
        table("", ("what", "value"), [(name, f"{v:,}" if isinstance(v, int) else v) for name, v in facts.items()])


@app.command
def rules(*, file: Path | None = None, json: bool = False) -> None:
    """List the rules of `data check`: what each means for a file, and why.

    Parameters
    ----------
    file
        A TOML file whose table [rules] changes them.
    json
        Print JSON.
    """
    from gatllm.data import Rules

    listed = [(rule.code, rule.severity, rule.why) for rule in Rules(_rules(file)).rules.values()]
    if json:
        print_json([dict(zip(("code", "severity", "why"), row, strict=True)) for row in listed])
    else:
        table("", ("rule", "means", "why"), listed)


@app.command
def families(*, json: bool = False) -> None:
    """List the kinds of error that `data corrupt` makes.

    Parameters
    ----------
    json
        Print JSON.
    """
    from gatllm.data import FAMILIES

    rows = [(one.name, "grammar" if one.syntactic else "meaning", one.weight, one.what) for one in FAMILIES.values()]
    if json:
        print_json([dict(zip(("name", "against", "weight", "what"), row, strict=True)) for row in rows])
    else:
        table("", ("family", "against the", "weight", "what"), rows)
