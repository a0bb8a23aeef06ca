"""How `gatllm check` prints: text for people, JSON, SARIF 2.1.0 for code scanning, GitHub annotations."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

from gatllm import __version__
from gatllm.cli.console import err, from_here, out, print_json, shown
from gatllm.editor.checking import Checked

Found = Sequence[Checked]


def _places(checked: Checked) -> Iterator[tuple[int, int, str, str, str]]:
    """Yield (line, column, rule, level, words) for everything found."""
    review = checked.review
    for finding in review.findings:
        yield finding.line, finding.column, finding.code, "error", finding.message
    for suspect in review.suspects:
        words = f"{suspect.words} ({suspect.probability:.0%})"
        yield suspect.line, suspect.column, "suspect", "warning", words
    if review.verdict == "fake" and not review.findings and not review.suspects:
        yield 1, 1, "fake", "warning", f"does not look like real code ({review.probability or 0:.0%})"


def _in_file(checked: Checked) -> Iterator[tuple[int, int, str, str, str]]:
    """The same with lines of the file itself: a notebook's cells lie in JSON."""
    for line, column, rule, level, words in _places(checked):
        yield *checked.place(line, column), rule, level, words


def _text(found: Found) -> None:
    bad = {one.name for one in found if one.review.verdict == "fake"}
    for one in found:
        name = shown(one.name) + (f":cell {one.cell}" if one.cell else "")
        for line, column, rule, _, words in _places(one):
            out.print(f"{name}:{line}:{column}: {rule}: {words}", markup=False)
    files = len({one.name for one in found})
    err.print(
        f"{files} files, {len(bad)} with something wrong"
        if files != 1
        else ("something is wrong" if bad else "looks real")
    )


def _json(found: Found) -> None:
    print_json([{"file": one.name} | ({"cell": one.cell} if one.cell else {}) | asdict(one.review) for one in found])


def _sarif(found: Found) -> None:
    results = [
        {
            "ruleId": rule,
            "level": level,
            "message": {"text": words},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": _uri(one.name)},
                        "region": {"startLine": line, "startColumn": column},
                    }
                }
            ],
        }
        for one in found
        for line, column, rule, level, words in _in_file(one)
    ]
    rules = [{"id": rule} for rule in sorted({str(result["ruleId"]) for result in results})]
    driver = {"name": "gatllm", "version": __version__, "rules": rules}
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    print_json({"$schema": schema, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]})


def _uri(name: str) -> str:
    """Return a file's address: relative to the working directory where it lies below it, as code scanning wants it."""
    here = from_here(name)
    return Path(here).as_uri() if Path(here).is_absolute() else quote(os.fsencode(here))


def _github(found: Found) -> None:
    for one in found:
        for line, column, rule, level, words in _in_file(one):
            place = f"file={_escaped(shown(from_here(one.name)), ':,')},line={line},col={column},title={rule}"
            sys.stdout.write(f"::{level} {place}::{_escaped(words)}\n")


def _escaped(text: str, more: str = "") -> str:
    """Return what a workflow command takes; its properties take no colon or comma either."""
    return "".join(f"%{ord(letter):02X}" if letter in "%\r\n" + more else letter for letter in text)


WRITERS: dict[str, Callable[[Found], None]] = {"text": _text, "json": _json, "sarif": _sarif, "github": _github}
