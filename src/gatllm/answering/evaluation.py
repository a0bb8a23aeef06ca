"""Measures answers on tasks with hidden tests: the bare first proposal beside the reviewed answer, in one run."""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatllm.answering.assistant import Assistant
from gatllm.answering.checking import CodeReviewer
from gatllm.answering.code_tasks import CodeTask, code_of, is_solved
from gatllm.answering.correctness import shipped
from gatllm.answering.messages import SYSTEM
from gatllm.errors import GatllmError
from gatllm.models import Completion, StateReader
from gatllm.progress import Progress, Report, silent
from gatllm.records import canonical_bytes, digest, sha256

if TYPE_CHECKING:
    from gatllm.models import ChatGenerator, ChatOptions, Message
    from gatllm.sandbox import Runner

_Z = 1.959964  # two-sided 95 %


@dataclass(frozen=True, slots=True)
class Outcome:
    """One task: whether the first proposal and the reviewed answer pass, and the seconds until each was there.

    ``before`` and ``after`` are P(correct) of the shown answer at both moments, ``warned`` whether the former was too
    low, ``signals`` what the latter came from (None where the answer had no whole code); ``shown`` is the shown code.
    """

    task: str
    bare: bool
    bare_seconds: float
    reviewed: bool | None = None
    reviewed_seconds: float | None = None
    before: float | None = None
    warned: bool | None = None
    after: float | None = None
    signals: dict[str, Any] | None = None
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Measure:
    """What an evaluation found; ``lost``: tasks whose first proposal was right and whose shown answer is wrong."""

    asked: int
    bare: int
    bare_seconds: float
    reviewed: int | None
    reviewed_seconds: float | None
    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def difference(self) -> tuple[float, float, float]:
        """The difference of pass@1, reviewed minus bare, and its 95 % interval (paired; Agresti and Min, 2005)."""
        up, down, total = len(self.gained) + 0.5, len(self.lost) + 0.5, self.asked + 2
        middle = (up - down) / total
        half = _Z * math.sqrt(max(up + down - (up - down) ** 2 / total, 0.0)) / total
        return (len(self.gained) - len(self.lost)) / max(self.asked, 1), middle - half, middle + half


class _Timed:
    """A generator that keeps its first completion and how long it took."""

    def __init__(self, generator: ChatGenerator) -> None:
        self._generator = generator
        self.name, self.context = generator.name, generator.context
        self.first: Completion | None = None
        self.seconds = 0.0
        if isinstance(generator, StateReader):
            self.states = generator.states

    def stream(self, messages: Sequence[Message], options: ChatOptions) -> Iterator[str | Completion]:
        began = time.perf_counter()
        for piece in self._generator.stream(messages, options):
            if isinstance(piece, Completion) and self.first is None:
                self.first, self.seconds = piece, time.perf_counter() - began
            yield piece

    def generate(self, conversations: Sequence[Sequence[Message]], options: ChatOptions) -> list[Completion]:
        return self._generator.generate(conversations, options)


def evaluate_code(
    generator: ChatGenerator,
    tasks: Sequence[CodeTask],
    runner: Runner,
    log: Path,
    *,
    options: ChatOptions,
    reviewer: CodeReviewer | None = None,
    report: Report = silent,
) -> list[Outcome]:
    """Answer tasks and judge the answers by their hidden tests.

    Each outcome is a line of ``log``; a run that was stopped resumes behind the last one.

    Args:
        generator: who proposes.
        tasks: what is asked.
        runner: the sandbox, for the hidden tests and for the review.
        log: a JSON Lines file.
        options: how the first proposal is generated.
        reviewer: with one, the answers are reviewed as well.
        report: told after each task.

    Raises:
        GatllmError: ``log`` is of another evaluation.
    """
    setting = {
        "generator": generator.name,
        "tasks": digest([[task.id, sha256(task.prompt.encode()), sha256(task.tests.encode())] for task in tasks]),
        "options": {**asdict(options), "stop": list(options.stop)},
        "reviewed": reviewer is not None,
    }
    outcomes = _resume(log, setting)
    for number, task in enumerate(tasks):
        if task.id not in outcomes:
            outcomes[task.id] = answer_task(generator, task, runner, options, reviewer)
            with log.open("ab") as out:
                out.write(canonical_bytes(asdict(outcomes[task.id])) + b"\n")
        found = measure([outcomes[done.id] for done in tasks[: number + 1]])
        words = f"bare {found.bare}" + (f", reviewed {found.reviewed}" if reviewer else "")
        report(Progress("tasks", number + 1, len(tasks), note=words))
    return [outcomes[task.id] for task in tasks]


def _resume(log: Path, setting: dict[str, Any]) -> dict[str, Outcome]:
    """Return what ``log`` already holds, or begin it."""
    if not log.is_file():
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(canonical_bytes(setting) + b"\n")
        return {}
    lines = log.read_bytes().split(b"\n")
    whole, torn = lines[:-1], lines[-1]
    try:
        if json.loads(whole[0]) != setting:
            raise GatllmError(f"{log} is of another evaluation", "name another file with --out, or remove it")
        found = {entry["task"]: Outcome(**entry) for entry in map(json.loads, whole[1:])}
    except (ValueError, TypeError, KeyError, IndexError):
        raise GatllmError(f"{log} is damaged", "remove it: the evaluation begins anew") from None
    if torn:  # the run was stopped while it wrote
        log.write_bytes(b"\n".join(whole) + b"\n")
    return found


def answer_task(
    generator: ChatGenerator, task: CodeTask, runner: Runner, options: ChatOptions, reviewer: CodeReviewer | None
) -> Outcome:
    timed = _Timed(generator)
    began = time.perf_counter()
    answer = None
    if reviewer is not None:
        assistant = Assistant(timed, reviewer, runner=runner, options=options, correctness=shipped())
        answer = assistant.ask(task.prompt)
    else:
        messages: list[Message] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": task.prompt}]
        for _ in timed.stream(messages, options):
            pass
    seconds = time.perf_counter() - began
    first = timed.first.text if timed.first else ""
    bare = is_solved(task, code_of(first), runner)
    if answer is None:
        return Outcome(task.id, bare, round(timed.seconds, 3))
    shown = code_of(answer.text)
    likely = shipped().before(task.prompt, generator)
    return Outcome(
        task.id, bare, round(timed.seconds, 3), is_solved(task, shown, runner), round(seconds, 3),
        before=round(likely.value, 6), warned=not likely.enough,
        after=round(answer.confidence, 6) if answer.confidence is not None else None,
        signals=next((entry["signals"] for entry in answer.transcript if "signals" in entry), None),
        shown=shown,
    )  # fmt: skip


def measure(outcomes: Sequence[Outcome]) -> Measure:
    """Sum outcomes up."""
    reviewed = [outcome for outcome in outcomes if outcome.reviewed is not None]
    seconds = [outcome.reviewed_seconds for outcome in reviewed if outcome.reviewed_seconds is not None]
    return Measure(
        asked=len(outcomes),
        bare=sum(outcome.bare for outcome in outcomes),
        bare_seconds=statistics.median([outcome.bare_seconds for outcome in outcomes] or [0.0]),
        reviewed=sum(bool(outcome.reviewed) for outcome in reviewed) if reviewed else None,
        reviewed_seconds=statistics.median(seconds) if seconds else None,
        gained=tuple(outcome.task for outcome in reviewed if outcome.reviewed and not outcome.bare),
        lost=tuple(outcome.task for outcome in reviewed if outcome.bare and not outcome.reviewed),
    )
