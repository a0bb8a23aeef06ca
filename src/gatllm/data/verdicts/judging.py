"""Judges files batch by batch: one linter process and a few compiling ones for a whole batch."""

from __future__ import annotations

import codecs
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gatllm.data.journal import Journal
from gatllm.data.languages import language
from gatllm.data.languages.base import suffixes_of
from gatllm.data.sources import SourceFile, open_source
from gatllm.data.verdicts.lint import DOUBTFUL, Finding, format_distance, lint
from gatllm.data.verdicts.rules import Rules
from gatllm.data.verdicts.syntax import Compiler
from gatllm.data.verdicts.verdict import Reason, Verdict, decode, look
from gatllm.progress import Progress, Report, silent
from gatllm.records import sha256

MAX_BYTES = 1 << 20
_BATCH_FILES, _BATCH_BYTES = 512, 16 << 20

Run = Callable[[str], str]


@dataclass
class _Batch:
    """Files that are judged together: their verdicts, and by index the bytes and what their texts alone show."""

    verdicts: list[Verdict] = field(default_factory=list)
    contents: dict[int, bytes] = field(default_factory=dict)
    looks: dict[int, list[Reason]] = field(default_factory=dict)
    size: int = 0


class Judge:
    """Judges files, and keeps the compiling processes while it is open.

    Args:
        rules: what makes a file bad; None: the table's defaults.
        target: Python version as ruff writes it (``py312``); None: the running one.
        max_bytes: larger files are bad unread.
        thorough: compile every file with CPython. Otherwise ruff's parser decides and CPython is asked only where
            ruff finds a syntax error or a wrong ``__future__``: much quicker, and the same verdict but for what ruff
            does not know (`benchmarks/data.py` counts the differences).
        formatter: measure the distance to what ``ruff format`` would write.
        run: called with the text of each good file; returns what went wrong, or ''.
        journal: verdicts that are known already, by content; new ones are noted there.
        processes: compiling processes; None: one for each processor.
    """

    def __init__(
        self,
        *,
        rules: Rules | None = None,
        target: str | None = None,
        max_bytes: int = MAX_BYTES,
        thorough: bool = True,
        formatter: bool = False,
        run: Run | None = None,
        journal: Journal | None = None,
        processes: int | None = None,
    ) -> None:
        self.rules = rules or Rules()
        running = f"py{sys.version_info.major}{sys.version_info.minor}"
        self.target = target or running
        # CPython can only speak for its own version.
        self.compiles = self.target == running
        self.max_bytes = max_bytes
        self.thorough = thorough
        self.formatter = formatter
        self.run = run
        self.journal = journal
        self._compiler = Compiler(processes)

    def judge(self, files: Iterable[SourceFile]) -> Iterator[Verdict]:
        """Yield a verdict for each file, in order; memory does not grow with their number."""
        batches = self._batches(files)
        # The next batch is read while linter and compiler, which are other processes, work on this one.
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(next, batches, None)
            while (batch := coming.result()) is not None:
                coming = pool.submit(next, batches, None)
                self._examine(batch)
                yield from batch.verdicts

    def _batches(self, files: Iterable[SourceFile]) -> Iterator[_Batch]:
        batch = _Batch()
        for file in files:
            verdict = Verdict(file)
            if (data := self._read(verdict)) is not None:
                batch.contents[len(batch.verdicts)] = data
                batch.size += len(data)
                if file.content == "code":
                    batch.looks[len(batch.verdicts)] = look(verdict.text)
            batch.verdicts.append(verdict)
            if len(batch.verdicts) >= _BATCH_FILES or batch.size >= _BATCH_BYTES:
                yield batch
                batch = _Batch()
        if batch.verdicts:
            yield batch

    def _examine(self, batch: _Batch) -> None:
        verdicts, contents = batch.verdicts, batch.contents
        hashes = {} if self.journal is None else {index: sha256(data) for index, data in contents.items()}
        for index, hashed in hashes.items():
            if self.journal is not None and (known := self.journal.get(hashed)) is not None:
                verdicts[index].reasons += [Reason(**reason) for reason in known]
                del contents[index]
        python = {i: data for i, data in contents.items() if verdicts[i].file.language == "python"}
        if python:
            self._examine_python(verdicts, python)
        for index in contents:
            self._examine_one(verdicts[index], batch.looks.get(index, []))
        if self.journal is not None:
            for index in contents:
                self.journal.note(hashes[index], [reason.as_dict() for reason in verdicts[index].reasons])
            self.journal.flush()

    def _examine_one(self, verdict: Verdict, looks: Sequence[Reason]) -> None:
        name = verdict.file.language
        if name not in {"python", ""}:
            tree, message, line = language(name).parse(verdict.text)
            if tree is None:
                self._note(verdict, Reason("syntax", message, line))
        for reason in looks:
            self._note(verdict, reason)
        if self.run is not None and verdict.good and name == "python" and (wrong := self.run(verdict.text)):
            self._note(verdict, Reason("run", wrong))

    def _examine_python(self, verdicts: Sequence[Verdict], contents: Mapping[int, bytes]) -> None:
        with tempfile.TemporaryDirectory(prefix="gatllm-") as folder:
            places = [_plain_path(verdicts[i], data, Path(folder), i) for i, data in contents.items()]
            findings = dict(zip(contents, lint(places, self.rules.selectors(), self.target), strict=True))
            distances = format_distance(places, self.target) if self.formatter else [0.0] * len(places)
        asked = [i for i in contents if self.compiles and (self.thorough or _doubtful(findings[i]))]
        errors = dict(zip(asked, self._compiler.judge(contents[i] for i in asked), strict=True))
        for (index, found), distance in zip(findings.items(), distances, strict=True):
            for reason in _reasons(errors.get(index, {}), found):
                self._note(verdicts[index], reason)
            if distance:
                self._note(verdicts[index], Reason("format", f"{distance:.0%} of its lines would change"))

    def _note(self, verdict: Verdict, reason: Reason) -> None:
        severity = self.rules.severity(reason.rule)
        if severity == "bad":
            verdict.reasons.append(reason)
        elif severity == "score":
            verdict.scores.append(reason)

    def _read(self, verdict: Verdict) -> bytes | None:
        """Read and decode; None, with the reason noted, when the file can't be judged further."""
        file = verdict.file
        if file.problem is not None:
            verdict.reasons.append(Reason(*file.problem))
            return None
        try:
            size = file.size()
            if size > self.max_bytes:
                verdict.reasons.append(Reason("too-large", f"{size:,} bytes, the limit is {self.max_bytes:,}"))
                return None
            data = file.read()
        except OSError as error:
            verdict.reasons.append(Reason("unreadable", error.strerror or str(error)))
            return None
        if not data.strip():
            verdict.reasons.append(Reason("empty", "nothing in it"))
            return None
        try:
            verdict.text = decode(data) if file.language == "python" else data.decode("utf-8-sig")
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


def _plain_path(verdict: Verdict, data: bytes, folder: Path, index: int) -> Path:
    """Return a path for ruff: fits on one line, and holds UTF-8. The file itself, or a copy."""
    path, text = verdict.file.path, verdict.text.encode("utf-8", "surrogatepass")
    as_it_is = data.removeprefix(codecs.BOM_UTF8) == text
    if as_it_is and path is not None and str(path.absolute()).isprintable():
        return path
    copy = folder / f"{index}.py"
    copy.write_bytes(data if as_it_is else text)  # ruff knows no declared encodings (PEP 263)
    return copy


def _doubtful(findings: Sequence[Finding]) -> bool:
    return any(
        finding.code in {"invalid-syntax", DOUBTFUL, "F404", "F407"} or finding.code[:2] == "E9" for finding in findings
    )


def _reasons(error: Mapping[str, Any], findings: Sequence[Finding]) -> list[Reason]:
    """Merge: the compiler's word first, then the linter's; ruff's syntax errors only where the compiler has none."""
    reasons = []
    if error:
        reasons.append(Reason("syntax", f"{error['kind']}: {error['message']}", int(error["line"])))
    for finding in findings:
        if finding.code == "invalid-syntax":
            if not error:
                reasons.append(Reason("syntax", finding.message, finding.line))
        elif finding.code != DOUBTFUL:
            reasons.append(Reason(finding.code, finding.message, finding.line))
    return reasons


def check_paths(
    paths: Iterable[Path | str],
    *,
    judge: Judge | None = None,
    language: str = "python",
    report: Report = silent,
) -> Iterator[Verdict]:
    """Yield a verdict for each source file of the given sources (see `open_source`).

    Args:
        paths: files, folders, archives, ``stdlib``, ``dist:NAME``.
        judge: with other rules than the default; without one, quick rather than thorough.
        language: which files of folders and archives are wanted.
        report: told after each file.

    Raises:
        UsageError: a path does not exist, or there is no such language.
    """
    suffixes = suffixes_of(language)
    with judge or Judge(thorough=False) as judging:
        files = (file for path in paths for file in open_source(str(path), suffixes=suffixes))
        for done, verdict in enumerate(judging.judge(files), 1):
            report(Progress("check", done, None, "files"))
            yield verdict
