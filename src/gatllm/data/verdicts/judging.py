"""One verdict a file: its text when it is good, the reasons when it is bad."""

from __future__ import annotations

import io
import sys
import tempfile
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gatllm.data.sources import SourceFile, open_source
from gatllm.data.verdicts.lint import Finding, lint
from gatllm.data.verdicts.syntax import Compiler
from gatllm.progress import Progress, Report, silent

MAX_BYTES = 1 << 20
SELECT = "E9,F"
_BATCH_FILES, _BATCH_BYTES = 1024, 32 << 20


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a file is bad: the rule, what was found, and its 1-based line (0: the whole file)."""

    rule: str
    message: str
    line: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"rule": self.rule, "message": self.message, "line": self.line}


@dataclass(slots=True)
class Verdict:
    """What was found about one file; ``text`` is '' when it could not be decoded."""

    file: SourceFile
    text: str = ""
    reasons: list[Reason] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.reasons


def decode(data: bytes) -> str:
    """Return source as text, by its byte-order mark or coding line (PEP 263), with its line breaks as they are.

    Raises:
        SyntaxError: the coding line names no encoding, or contradicts the byte-order mark.
        UnicodeDecodeError: the bytes are not in that encoding.
    """
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return data.decode(encoding)


class Judge:
    """Judges files batch by batch; keeps the compiling processes while it is open.

    Args:
        select: ruff rules whose findings make a file bad.
        target: Python version as ruff writes it; None: the running one.
        max_bytes: larger files are bad unread.
    """

    def __init__(self, *, select: str = SELECT, target: str | None = None, max_bytes: int = MAX_BYTES) -> None:
        self.select = select
        self.target = target or f"py{sys.version_info.major}{sys.version_info.minor}"
        self.max_bytes = max_bytes
        self._compiler = Compiler()

    def judge(self, files: Iterable[SourceFile]) -> Iterator[Verdict]:
        """Yield a verdict for each file, in order."""
        remaining = iter(files)
        while batch := list(islice(remaining, _BATCH_FILES)):
            yield from self._batch(batch)

    def _batch(self, files: Sequence[SourceFile]) -> list[Verdict]:
        verdicts = [Verdict(file) for file in files]
        contents = [self._read(verdict) for verdict in verdicts]
        readable = [index for index, data in enumerate(contents) if data is not None]
        with tempfile.TemporaryDirectory(prefix="gatllm-") as folder:
            places = [_plain_path(verdicts[i].file.path, contents[i] or b"", Path(folder), i) for i in readable]
            findings = lint(places, self.select, self.target)
        errors = self._compiler.judge([contents[i] or b"" for i in readable])
        for index, error, found in zip(readable, errors, findings, strict=True):
            verdicts[index].reasons += _reasons(error, found)
        return verdicts

    def _read(self, verdict: Verdict) -> bytes | None:
        """Read and decode; None, with the reason noted, when the file can't be judged further."""
        try:
            size = verdict.file.path.stat().st_size
            if size > self.max_bytes:
                verdict.reasons.append(Reason("too-large", f"{size:,} bytes, the limit is {self.max_bytes:,}"))
                return None
            data = verdict.file.path.read_bytes()
        except OSError as error:
            verdict.reasons.append(Reason("unreadable", error.strerror or str(error)))
            return None
        if not data.strip():
            verdict.reasons.append(Reason("empty", "nothing in it"))
            return None
        try:
            verdict.text = decode(data)
        except (SyntaxError, UnicodeDecodeError, LookupError) as error:
            verdict.reasons.append(Reason("encoding", str(error)))
            return None
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._compiler.__exit__(kind, error, trace)


def _plain_path(path: Path, data: bytes, folder: Path, index: int) -> Path:
    """Return a path that fits on one line: the file itself, or a copy."""
    name = str(path.absolute())
    if name.isprintable() and not name.startswith("@"):
        return path
    copy = folder / f"{index}.py"
    copy.write_bytes(data)
    return copy


def _reasons(error: dict[str, Any], findings: list[Finding]) -> list[Reason]:
    """Merge: the compiler's word first, then the linter's; ruff's syntax errors only where the compiler has none."""
    reasons = []
    if error:
        reasons.append(Reason("syntax", f"{error['kind']}: {error['message']}", int(error["line"])))
    for finding in findings:
        if finding.code == "invalid-syntax":
            if not error:
                reasons.append(Reason("syntax", finding.message, finding.line))
        else:
            reasons.append(Reason(finding.code, finding.message, finding.line))
    return reasons


def check_paths(paths: Iterable[Path | str], *, report: Report = silent, select: str = SELECT) -> Iterator[Verdict]:
    """Yield a verdict for each Python file of the given files and folders.

    Raises:
        UsageError: a path does not exist.
    """
    with Judge(select=select) as judge:
        files = (file for path in paths for file in open_source(str(path)))
        for done, verdict in enumerate(judge.judge(files), 1):
            report(Progress("check", done, None, "files"))
            yield verdict
