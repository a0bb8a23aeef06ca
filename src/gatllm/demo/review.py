"""Step 5: held-out files are broken; the discriminator finds the errors and repairs them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import TYPE_CHECKING, Any

from gatllm.demo.data import POSITIVE
from gatllm.demo.stage import Outcome, Session, Stage
from gatllm.demo.training import DISCRIMINATOR
from gatllm.errors import GatllmError
from gatllm.progress import Progress

if TYPE_CHECKING:
    from gatllm.data import Corruption

_FUNCTIONS, _FILES, _SHOWN = 150, 30, 3
_LONGEST = 12_000  # characters of a whole file: some 350 lines


def review_held_out(session: Session, stage: Stage) -> Outcome:
    """Break functions and whole files that no training saw, repair them, and count what is exactly as it was."""
    from gatllm.review import Reviewer

    reviewer, search = Reviewer.load(session.folder(DISCRIMINATOR)), Reviewer()
    functions = list(islice(_broken(session, whole=False), _FUNCTIONS))
    files = list(islice(_broken(session, whole=True), _FILES))
    if not functions:
        raise GatllmError("no held-out file was left to break", "build the data from more files")
    _show(reviewer, functions[:: max(1, len(functions) // _SHOWN)][:_SHOWN], stage)  # of different files
    numbers: dict[str, Any] = {}
    for what, who, cases in (
        ("functions repaired (discriminator, then search)", reviewer, functions),
        ("by search alone", search, functions),
        ("files repaired (discriminator, then search)", reviewer, files),
    ):
        compiles, same = _repaired(who, cases, what, stage)
        stage.say(f"  {what}: {compiles} of {len(cases)} compile again, {same} have the tree they had")
        numbers[what] = f"{same} of {len(cases)}"
    return Outcome("done", numbers)


def _broken(session: Session, *, whole: bool) -> Iterator[tuple[str, Corruption]]:
    """Yield held-out texts with one error against the grammar each, and where they come from."""
    from gatllm.data import Dataset, corrupt, functions, split_of

    rng = Random(f"held out {session.options.seed}")
    records = [
        record
        for record in Dataset.open(session.folder(POSITIVE)).records()
        if split_of(record["origin"]) == "validation"
    ]
    rng.shuffle(records)
    for record in records:
        texts = [record["text"]] if whole else [function.text for function in functions(record["text"])]
        for text in texts if whole else rng.sample(texts, min(4, len(texts))):
            corruption = corrupt(text, rng) if 40 <= len(text) <= _LONGEST else None
            if corruption is not None and corruption.syntactic:
                yield record["origin"], corruption


def _show(reviewer: Any, cases: list[tuple[str, Corruption]], stage: Stage) -> None:
    for origin, case in cases:
        review, repair = reviewer.check(case.broken), reviewer.fix(case.broken)
        name = origin.rpartition(":")[2]
        stage.say(f"  {name}")
        for finding in review.findings[:1]:
            stage.say(f"    the compiler, line {finding.line}: {finding.message}")
        for suspect in review.suspects[:1]:
            where = f"line {suspect.line}, column {suspect.column}"
            stage.say(f"    the discriminator, {where}: {suspect.words} ({suspect.probability:.0%})")
        if repair.changed:
            stage.diff(case.broken, repair.text, name)
        else:
            stage.say(f"    left alone: {repair.why}")


def _repaired(reviewer: Any, cases: list[tuple[str, Corruption]], what: str, stage: Stage) -> tuple[int, int]:
    """Return how many results compile, and how many have the syntax tree of the original."""
    from gatllm.review import same_tree

    compiles = same = 0
    for done, (_, case) in enumerate(cases, 1):
        repair = reviewer.fix(case.broken)
        compiles += repair.compiles
        same += repair.compiles and same_tree(repair.text, case.repair())
        stage.report(Progress(what, done, len(cases), "cases"))
    return compiles, same
