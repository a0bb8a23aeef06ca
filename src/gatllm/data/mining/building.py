"""Builds negative datasets from version history: real mistakes, as they were and as they were repaired."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gatllm.data.building import made_with
from gatllm.data.dataset import Dataset, DatasetWriter
from gatllm.data.manifest import Contributor
from gatllm.data.mining.filters import FILTERS, wrong_path
from gatllm.data.mining.history import Change, Step, steps
from gatllm.data.mining.kinds import KINDS
from gatllm.data.privacy import Policy, clean
from gatllm.data.sources.licences import UNKNOWN, of_header
from gatllm.data.workers import CRASHED, TIMED_OUT, Workers
from gatllm.errors import GatllmError, UsageError
from gatllm.progress import Progress, Report, silent
from gatllm.records import new_folder, sha256

_CHILD = [sys.executable, "-c", "from gatllm.data.mining.units import _serve; _serve()"]
_REJECT: Policy = "reject"  # a redacted text would no longer fit its edits
_MIGRATION = 3  # functions of one step that change in the same way

_Found = tuple[Change, dict[str, Any]]


def mine(
    sources: str | Path | Sequence[str | Path],
    out: Path | str,
    *,
    tokens: int = 8,
    hunks: int = 2,
    kinds: Sequence[str] = (),
    licence: str = "",
    contributor: Contributor | None = None,
    processes: int | None = None,
    replace: bool = False,
    report: Report = silent,
) -> Dataset:
    """Write a negative dataset of small changes between consecutive versions that look like fixed mistakes.

    ``broken`` is the function (or module) as it was, ``edits`` are what was changed, ``text`` is the result: the later
    version but for comments and docstrings, which stay as they were. What was left out stands in ``rejected.jsonl``
    with the filter that refused it.

    Args:
        sources: wheels, sdists, folders of them, folders that are versions of one thing, git checkouts.
        out: the dataset folder; it appears whole or not at all.
        tokens: changed tokens at most.
        hunks: places at most.
        kinds: only these kinds of mistake (see `kinds.KINDS`); none: all.
        licence: SPDX identifier of what states none itself.
        contributor: who brings the data.
        processes: child processes that compare; None: one for each processor.
        replace: put the new dataset in the place of one that is there.
        report: told after each step.

    Raises:
        UsageError: a source does not exist, or there are no two versions of anything; there is no such kind.
        GatllmError: nothing was found, or ``out`` can't be written.
    """
    names = [str(source) for source in ([sources] if isinstance(sources, str | Path) else sources)]
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise UsageError(f"no kind of mistake {', '.join(unknown)}", f"choose from {', '.join(KINDS)}")
    out = Path(out)
    with (
        new_folder(out, replace=replace) as folder,
        DatasetWriter(folder, "negative", out.name) as writer,
        Workers(_CHILD, processes=processes, seconds=120) as workers,
    ):
        selection = _Selection(writer, frozenset(kinds), licence)
        subject, waiting = "", list[_Found]()
        for number, step in enumerate(steps(names), 1):
            if step.subject != subject:
                selection.admit(waiting)
                subject, waiting = step.subject, []
            waiting += _one_offs(step, workers, writer, tokens, hunks)
            report(Progress("mine", number, None, "steps", f"{step.subject} {step.versions}: {len(writer):,} pairs"))
        selection.admit(waiting)
        if not len(writer):
            raise GatllmError(f"no small fix in {', '.join(names)}", "name more releases, or allow more --tokens")
        writer.finish(
            sources=sorted(selection.subjects),
            contributor=contributor,
            made_with=made_with(tokens=tokens, hunks=hunks, kinds=list(kinds), filters=sorted(FILTERS)),
        )
    return Dataset.open(out)


def _refuse(writer: DatasetWriter, change: Change, name: str, rule: str) -> None:
    origin = f"{change.origin}#{name}@{change.versions}"
    writer.reject(origin, [{"rule": rule, "message": FILTERS[rule], "line": 0}])


def _one_offs(step: Step, workers: Workers, writer: DatasetWriter, tokens: int, hunks: int) -> list[_Found]:
    """Compare the files of a step; leave out what hangs together with changes elsewhere in it."""
    signatures: set[str] = set()
    found = list(_compare(step, workers, writer, tokens, hunks, signatures))
    counts = Counter(shape for _, one in found for shape in {_shape(*pair) for pair in one["what"]})
    kept = []
    for change, one in found:
        if any(counts[_shape(*pair)] >= _MIGRATION for pair in one["what"]):
            _refuse(writer, change, one["name"], "repeated")
        elif signatures.intersection(one["callees"]):
            _refuse(writer, change, one["name"], "signature")
        else:
            kept.append((change, one))
    return kept


def _shape(old: list[str], new: list[str]) -> tuple[str, str]:
    """A hunk without the names and values that both sides share: what was done, not to what."""
    shared = {word for word in old if word in new and (word[0].isalnum() or word[0] in "_\"'")}
    sides = (" ".join("•" if word in shared else word for word in side) for side in (old, new))
    return next(sides), next(sides)


def _compare(
    step: Step, workers: Workers, writer: DatasetWriter, tokens: int, hunks: int, signatures: set[str]
) -> Iterator[_Found]:
    changes = []
    for change in step.changes:
        if wrong_path(change.origin.rpartition(":")[2]):
            _refuse(writer, change, "", "path")
        else:
            changes.append(change)
    tasks = (json.dumps([change.old, change.new, tokens, hunks]).encode() for change in changes)
    for change, answer in zip(changes, workers.map(tasks), strict=True):
        if answer in {CRASHED, TIMED_OUT}:
            _refuse(writer, change, "", "crash")
            continue
        found, refused, changed = json.loads(answer)
        signatures.update(changed)
        for rule, names in refused.items():
            for name in names:
                _refuse(writer, change, name, rule)
        for one in found:
            yield change, one


class _Selection:
    """What of a subject's changes becomes records, once its whole history is known."""

    def __init__(self, writer: DatasetWriter, kinds: frozenset[str], licence: str) -> None:
        self._writer, self._kinds, self._licence = writer, kinds, licence
        self._seen: set[str] = set()
        self.subjects: set[str] = set()

    def admit(self, found: list[_Found]) -> None:
        """Write the records of one subject."""
        marks = [(change.origin, one["name"], _pairs(one["what"])) for change, one in found]
        undone = {mark for mark in marks if (*mark[:2], tuple((new, old) for old, new in mark[2])) in set(marks)}
        for (change, one), mark in zip(found, marks, strict=True):
            rule = "reverted" if mark in undone else self._rule(change, one)
            if rule is not None:
                _refuse(self._writer, change, one["name"], rule)
                continue
            self.subjects.add(change.origin.rpartition(":")[0] or change.origin)
            self._writer.add(self._record(change, one))

    def _rule(self, change: Change, one: dict[str, Any]) -> str | None:
        if self._kinds and not self._kinds.issuperset(one["kinds"]):
            return "kind"
        for side in (one["broken"], one["text"]):
            _, forbidden, _ = clean(side, code=True, secret=_REJECT, address=_REJECT)
            if forbidden:
                return forbidden[0].rule
        # The same mistake in a function that changed elsewhere meanwhile, or in a copy of the module.
        for key in (f"{change.origin}#{one['name']}{one['what']}", f"{one['broken']}\0{one['text']}"):
            if key in self._seen:
                return "duplicate"
            self._seen.add(key)
        return None

    def _record(self, change: Change, one: dict[str, Any]) -> dict[str, Any]:
        stated = of_header(change.new) or change.licence
        origin = f"{change.origin}#{one['name']}@{change.versions}"
        return {
            "id": sha256(f"{origin}\0{one['broken']}".encode())[:16],
            "source": sha256(change.new.encode())[:16],
            "broken": one["broken"],
            "text": one["text"],
            "edits": one["edits"],
            "families": one["kinds"],
            "syntactic": False,
            "level": 2 if len(one["edits"]) == 1 else 3,
            "distance": 0,
            "licence": self._licence if self._licence and stated == UNKNOWN else stated,
            "origin": origin,
        }


def _pairs(what: list[list[list[str]]]) -> tuple[tuple[str, str], ...]:
    return tuple((" ".join(old), " ".join(new)) for old, new in what)
