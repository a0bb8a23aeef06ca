"""What makes a file bad, what only counts against it, and why; a recipe can switch each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from gatllm.errors import UsageError

Severity = Literal["bad", "score", "off"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: a code (of ours, or a ruff selector), what it means for a file, and why."""

    code: str
    severity: Severity
    why: str


# By default only what the compiler and ruff's E9 and F say makes a file bad: on buggy and good programs the next wider
# sets of rules doubled the false alarms (dev/LOG.md).
TABLE = (
    Rule("unreadable", "bad", "nobody can learn from what can't be read"),
    Rule("unsafe-name", "bad", "a name that leads outside its archive is an attack or an accident"),
    Rule("too-large", "bad", "a source file of over 1 MB is data, not code"),
    Rule("empty", "bad", "there is nothing to learn from"),
    Rule("encoding", "bad", "text in the wrong encoding teaches noise"),
    Rule("syntax", "bad", "the parser or compiler of the target version refuses it"),
    Rule("E9", "bad", "the file can't be read or parsed as Python"),
    Rule("F", "bad", "undefined and unused names, broken formats: wrong or dead code, rarely a false alarm"),
    Rule("minified", "score", "squeezed code teaches no style, but it is correct"),
    Rule("generated", "score", "a generator wrote it: correct, and much alike"),
    Rule("C901", "score", "cyclomatic complexity over 10 is hard to read, yet often right"),
    Rule("PLR0915", "score", "over 50 statements in a function: hard to read, yet often right"),
    Rule("format", "score", "fraction of lines that `ruff format` would change (with --format)"),
    Rule("run", "score", "importing it fails in the sandbox (with --run): it may only lack a package"),
)
_OWN = frozenset({
    "unreadable", "unsafe-name", "too-large", "empty", "encoding", "syntax", "minified", "generated", "format", "run",
})  # fmt: skip


class Rules:
    """The rules of one check: the table, changed by a recipe's ``{code: severity}``.

    Raises:
        UsageError: a severity is not ``bad``, ``score`` or ``off``.
    """

    def __init__(self, changes: Mapping[str, str] | None = None) -> None:
        self.rules = {rule.code: rule for rule in TABLE}
        for code, severity in (changes or {}).items():
            if severity not in {"bad", "score", "off"}:
                raise UsageError(f"rule {code}: no severity {severity!r}", "take bad, score or off")
            why = self.rules[code].why if code in self.rules else "set in the recipe"
            self.rules[code] = Rule(code, cast(Severity, severity), why)

    def severity(self, code: str) -> Severity:
        """Return what a finding means; the longest code that it begins with decides."""
        if code in self.rules:
            return self.rules[code].severity
        if code in _OWN:
            return "bad"
        fitting = [known for known in self.rules if known not in _OWN and code.startswith(known)]
        return self.rules[max(fitting, key=len)].severity if fitting else "bad"

    def selectors(self) -> str:
        """Return the ruff rules to look for."""
        return ",".join(rule.code for rule in self.rules.values() if rule.code not in _OWN and rule.severity != "off")

    def as_dict(self) -> dict[str, str]:
        """Return code and severity of all rules."""
        return {rule.code: rule.severity for rule in self.rules.values()}
