"""What a check found, added up: how many files, why they are bad, by rule and by package."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from gatllm.data.verdicts import Verdict

_SIZES = (10, 30, 100, 300, 1000, 3000, 10_000)  # lines


@dataclass
class Summary:
    """Counts of verdicts; it does not grow with their number but for the first ``keep`` bad files."""

    keep: int = 200
    good: int = 0
    bad: int = 0
    lines: int = 0
    files_by_rule: Counter[str] = field(default_factory=Counter)
    findings_by_rule: Counter[str] = field(default_factory=Counter)
    files_by_score: Counter[str] = field(default_factory=Counter)
    good_by_package: Counter[str] = field(default_factory=Counter)
    bad_by_package: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    sizes: Counter[int] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)  # the first message of each rule
    worst: list[dict[str, Any]] = field(default_factory=list)

    def add(self, verdict: Verdict) -> None:
        """Count one verdict."""
        package = package_of(verdict.file.origin)
        lines = verdict.text.count("\n")
        self.lines += lines
        self.licences[verdict.file.licence] += 1
        self.sizes[next((size for size in _SIZES if lines < size), 0)] += 1
        for found in (*verdict.reasons, *verdict.scores):
            self.examples.setdefault(found.rule, found.message)
        self.files_by_score.update({score.rule for score in verdict.scores})
        if verdict.good:
            self.good += 1
            self.good_by_package[package] += 1
            return
        self.bad += 1
        self.bad_by_package[package] += 1
        self.files_by_rule.update({reason.rule for reason in verdict.reasons})
        self.findings_by_rule.update(reason.rule for reason in verdict.reasons)
        if len(self.worst) < self.keep:
            self.worst.append(verdict.as_dict())

    @property
    def files(self) -> int:
        """Number of files."""
        return self.good + self.bad

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as JSON."""
        return {
            "files": self.files,
            "good": self.good,
            "bad": self.bad,
            "lines": self.lines,
            "files_by_rule": dict(self.files_by_rule.most_common()),
            "findings_by_rule": dict(self.findings_by_rule.most_common()),
            "files_by_score": dict(self.files_by_score.most_common()),
            "licences": dict(self.licences.most_common()),
            "packages": {
                name: {"good": self.good_by_package[name], "bad": self.bad_by_package[name]}
                for name in sorted(self.good_by_package | self.bad_by_package)
            },
        }

    def size_rows(self) -> list[tuple[str, int]]:
        """Return (lines of code, number of files), from short to long."""
        rows, before = [], 0
        for size in _SIZES:
            rows.append((f"{before:,}–{size - 1:,}", self.sizes[size]))
            before = size
        return [*rows, (f"{before:,} or more", self.sizes[0])]


def package_of(origin: str) -> str:
    """Return the folder or package that an origin counts for: ``stdlib:json``."""
    scheme, _, path = origin.rpartition(":")
    return f"{scheme}:{path.split('/')[0]}" if "/" in path else f"{scheme}:"
