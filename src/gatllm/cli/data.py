"""``gatllm data``: check and show data; what writes a dataset has a file of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from gatllm.cli import data_building, data_conversing
from gatllm.cli.console import diff_lines, note, print_diff, print_json, progress_report, table
from gatllm.cli.data_options import print_dataset, print_line, read_rules
from gatllm.cli.options import Quiet
from gatllm.errors import UsageError

app = App(name="data", help="Turn code into datasets: verdicts, corruption, manifests.")
for _name, _command in data_building.COMMANDS.items():
    app.command(_command, name=_name)
app.command(data_conversing.converse)
app.command(data_conversing.refusals)


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
    quiet: Quiet = False,
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
    """
    from contextlib import nullcontext

    from gatllm.data import Judge, Rules, Summary, check_paths, running, write_report

    ruled = Rules(read_rules(rules))
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
                print_line(f"{verdict.file.origin}:{reason.line}: {reason.rule} {reason.message}{more}")
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
        print_line(f"{summary.good:,} good, {summary.bad:,} bad of {summary.files:,} files, {summary.lines:,} lines")
    if html is not None:
        write_report(summary, ruled, html, f"Verdicts on {', '.join(paths)}")
        note(f"wrote {html}")
    if not summary.files:
        raise UsageError(f"nothing to read in {', '.join(paths)}", "name one with code, text or answers in it")
    return 1 if summary.bad else 0


def _print_part(before: str, value: dict[str, Any]) -> None:
    from json import dumps

    sys.stdout.write(before + dumps(value))


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
    print_dataset(opened, json=False)
    for record in some:
        print_line(f"— {record['id']} {record['origin']} {record['licence']}")
        if "broken" in record:
            print_diff(diff_lines(record["broken"], record["text"], record["origin"].rpartition("/")[2]))
        else:
            print_json(record)
    for entry in refused:
        print_line(
            f"{entry['origin']}: " + "; ".join(f"{one['rule']} {one['message']}" for one in entry["reasons"][:3])
        )


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

    listed = [(rule.code, rule.severity, rule.why) for rule in Rules(read_rules(file)).rules.values()]
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
