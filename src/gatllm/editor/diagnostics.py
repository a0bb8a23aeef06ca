"""What a review found, as diagnostics of the language server protocol."""

from __future__ import annotations

import re
from typing import Any

from gatllm.editor.positions import Lines
from gatllm.review.critics import Finding
from gatllm.review.reviewer import Review, Suspect

SOURCE = "gatllm"
ERROR, WARNING = 1, 2
_WORD = re.compile(r"\w+|[^\w\s]+")


def diagnostics(review: Review, lines: Lines) -> list[dict[str, Any]]:
    """Return the diagnostics of a review; ``lines`` are those of the text that was reviewed."""
    return [_of_finding(finding, lines) for finding in review.findings] + [
        _of_suspect(suspect, lines) for suspect in review.suspects
    ]


def is_repairable(diagnostic: dict[str, Any]) -> bool:
    """Tell whether a diagnostic is one of ours that a repair may end: the compiler's complaint, or a suspect."""
    ours = diagnostic.get("source") == SOURCE
    return ours and (diagnostic.get("code") == "suspect" or str(diagnostic.get("code")).endswith("Error"))


def _of_finding(finding: Finding, lines: Lines) -> dict[str, Any]:
    return _diagnostic(lines, finding.line, finding.column, finding.code, finding.message, ERROR)


def _of_suspect(suspect: Suspect, lines: Lines) -> dict[str, Any]:
    return _diagnostic(lines, suspect.line, suspect.column, "suspect", suspect.words, WARNING)


def _diagnostic(lines: Lines, line: int, column: int, code: str, message: str, severity: int) -> dict[str, Any]:
    start = lines.place(line, column)
    word = _WORD.match(lines.text, start)
    end = word.end() if word else lines.end(start)
    place = lines.range(start, max(min(end, lines.end(start)), start))
    return {"range": place, "message": message, "severity": severity, "code": code, "source": SOURCE}
