"""What a judged item still has to pass before it becomes a record: licence, privacy, being new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from gatllm.data.dataset import Dataset
from gatllm.data.duplicates import Duplicates
from gatllm.data.manifest import Contributor
from gatllm.data.privacy import Policy, clean
from gatllm.data.sources import Columns
from gatllm.data.sources.licences import of_header
from gatllm.data.verdicts import Reason, Verdict
from gatllm.records import digest, sha256


@dataclass(frozen=True)
class Options:
    """How a dataset is built.

    Attributes:
        language: which files of folders and archives are wanted.
        columns: of tables: which hold question and answer.
        contributor: who brings the data.
        licence: SPDX identifier of what states none itself.
        licence_allow: patterns of licences to keep (``BSD-*``); none: all, unknown ones too.
        secrets: what to do about keys and tokens.
        addresses: what to do about e-mail addresses.
        near: fraction of common lines that makes a near duplicate; 0: exact ones only.
        against: datasets whose records must not be repeated.
        rules: changes to the rules of `verdicts.rules`, ``{code: severity}``.
        target: Python version as ruff writes it; None: the running one.
    """

    language: str = "python"
    columns: Columns = field(default_factory=Columns)
    contributor: Contributor = field(default_factory=Contributor)
    licence: str = ""
    licence_allow: Sequence[str] = ()
    secrets: Policy = "reject"
    addresses: Policy = "redact"
    near: float = 0.9
    against: Sequence[Path] = ()
    rules: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what decides about the records, as JSON."""
        return {
            "language": self.language,
            "licence": self.licence,
            "licence_allow": list(self.licence_allow),
            "secrets": self.secrets,
            "addresses": self.addresses,
            "near": str(self.near),
            "against": [Dataset.open(path).manifest.merkle_root for path in self.against],
            "rules": dict(self.rules),
            "target": self.target or "",
        }


class Admission:
    """Turns verdicts into records, or says why not; remembers what it has let in."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.redacted = 0
        self._duplicates = Duplicates(options.near)
        for path in options.against:
            for record in Dataset.open(path).records():
                self._duplicates.add(_whole(record), f"{path.name}:{record['origin']}")

    def admit(self, verdict: Verdict) -> tuple[dict[str, Any] | None, list[Reason]]:
        """Return a record of the item, or None and the reasons."""
        if verdict.reasons:
            return None, verdict.reasons
        file, text = verdict.file, verdict.text
        licence = of_header(text) or file.licence if file.content == "code" else file.licence
        allow = self.options.licence_allow
        if allow and not any(fnmatchcase(licence, pattern) for pattern in allow):
            return None, [Reason("licence", f"{licence} is not among the allowed")]
        record: dict[str, Any] = {"licence": licence, "origin": file.origin}
        parts = [file.prompt, text] if file.content == "pair" else [content for _, content in file.messages] or [text]
        cleaned = []
        count = 0
        for part in parts:
            new, forbidden, masked = clean(
                part, code=file.content == "code", secret=self.options.secrets, address=self.options.addresses
            )
            if forbidden:
                first = forbidden[0]
                return None, [Reason(first.rule, first.what, part.count("\n", 0, first.start) + 1)]
            cleaned.append(new)
            count += masked
        if reason := _shape(file.content, cleaned):
            return None, [reason]
        if file.content == "conversation":
            roles = [role for role, _ in file.messages]
            record["messages"] = [{"role": r, "content": c} for r, c in zip(roles, cleaned, strict=True)]
            record["id"] = digest(record["messages"])[:16]
        else:
            record["text"] = cleaned[-1]
            record["sha256"] = sha256(cleaned[-1].encode())
            record["id"] = record["sha256"][:16]
            if file.content == "pair":
                record["prompt"] = cleaned[0]
                record["id"] = digest(cleaned)[:16]
        if count:
            record["redacted"] = count
        if repeated := self._duplicates.add(_whole(record), file.origin):
            return None, [Reason(repeated[0], f"repeats {repeated[1]}")]
        self.redacted += count
        return record, []


def _shape(content: str, parts: Sequence[str]) -> Reason | None:
    """Return what is wrong with the parts of a record, if anything."""
    try:
        for part in parts:
            part.encode()
    except UnicodeEncodeError:
        return Reason("encoding", "half a character (a lone surrogate)")
    if content == "pair" and not all(part.strip() for part in parts):
        return Reason("shape", "the question or the answer is empty")
    return None


def _whole(record: Mapping[str, Any]) -> str:
    """Return all text of a record, to compare it by."""
    if "messages" in record:
        return "\n".join(message["content"] for message in record["messages"])
    return f"{record['prompt']}\n{record['text']}" if record.get("prompt") else str(record["text"])
