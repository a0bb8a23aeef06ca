"""How `gatllm check` prints: text for people, JSON, SARIF 2.1.0 for code scanning, GitHub annotations."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from urllib.parse import quote

from gatllm import __version__
from gatllm.cli.console import err, out, print_json
from gatllm.cli.files import shown
from gatllm.review.reviewer import Review

Pairs = Sequence[tuple[str, Review]]


def _places(review: Review) -> Iterator[tuple[int, int, str, str, str]]:
    """Yield (line, column, rule, level, words) for everything found."""
    for finding in review.findings:
        yield finding.line, finding.column, finding.code, "error", finding.message
    for suspect in review.suspects:
        words = f"{suspect.words} ({suspect.probability:.0%})"
        yield suspect.line, suspect.column, "suspect", "warning", words
    if review.verdict == "fake" and not review.findings and not review.suspects:
        yield 1, 1, "fake", "warning", f"does not look like real code ({review.probability or 0:.0%})"


def _text(pairs: Pairs) -> None:
    bad = 0
    for name, review in pairs:
        bad += review.verdict == "fake"
        for line, column, rule, _, words in _places(review):
            out.print(f"{shown(name)}:{line}:{column}: {rule}: {words}", markup=False)
    err.print(
        f"{len(pairs)} files, {bad} with something wrong"
        if len(pairs) != 1
        else ("something is wrong" if bad else "looks real")
    )


def _json(pairs: Pairs) -> None:
    print_json([{"file": name, **asdict(review)} for name, review in pairs])


def _sarif(pairs: Pairs) -> None:
    results = [
        {
            "ruleId": rule,
            "level": level,
            "message": {"text": words},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": quote(os.fsencode(name))},
                        "region": {"startLine": line, "startColumn": column},
                    }
                }
            ],
        }
        for name, review in pairs
        for line, column, rule, level, words in _places(review)
    ]
    rules = [{"id": rule} for rule in sorted({str(result["ruleId"]) for result in results})]
    driver = {"name": "gatllm", "version": __version__, "rules": rules}
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    print_json({"$schema": schema, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]})


def _github(pairs: Pairs) -> None:
    for name, review in pairs:
        for line, column, rule, level, words in _places(review):
            place = f"file={_escaped(shown(name), ':,')},line={line},col={column},title={rule}"
            sys.stdout.write(f"::{level} {place}::{_escaped(words)}\n")


def _escaped(text: str, more: str = "") -> str:
    """Return what a workflow command takes; its properties take no colon or comma either."""
    return "".join(f"%{ord(letter):02X}" if letter in "%\r\n" + more else letter for letter in text)


WRITERS: dict[str, Callable[[Pairs], None]] = {"text": _text, "json": _json, "sarif": _sarif, "github": _github}
