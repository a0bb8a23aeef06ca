"""What a log says happened, held against what training can write: the times, the updates, the checkpoints, the end.

A chain of hashes only says that nothing was changed since it was written. A log that is chained well may still tell
what no training does; that is refused before anything is done again.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from gatllm.errors import VerificationError

if TYPE_CHECKING:
    from gatllm.training.tables import TrainTable

_FORM = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00"
_EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)  # no version of this program is older
_SKEW = timedelta(minutes=5)  # between two clocks that are both set right


@dataclass(frozen=True, slots=True)
class Segment:
    """The updates after ``start`` (0: the initial weights) up to ``stop``, from one logged checkpoint to the next.

    ``held``: what they begin with is here, so that they can be done again. ``ends``: the log names what they give.
    """

    start: int
    stop: int
    held: bool = True
    ends: bool = True

    @property
    def updates(self) -> int:
        """How many updates."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class History:
    """The updates that led to the result, and the checkpoints that the log names among them."""

    updates: int
    checkpoints: Mapping[int, Mapping[str, Any]]
    steps: Mapping[int, Mapping[str, Any]]
    validations: Mapping[int, Mapping[str, Any]]
    end: Mapping[str, Any]

    def segments(self, kept: set[int]) -> list[Segment]:
        """Return all updates in segments, in order; ``kept`` are the checkpoints whose files are here."""
        bounds = [0, *sorted(self.checkpoints)]
        if bounds[-1] < self.updates:
            bounds.append(self.updates)
        return [
            Segment(start, stop, held=not start or start in kept, ends=stop in self.checkpoints)
            for start, stop in itertools.pairwise(bounds)
        ]


def moment(text: object) -> datetime:
    """Return a time as logs write it.

    Raises:
        VerificationError: it is written otherwise, or no time.
    """
    if isinstance(text, str) and re.fullmatch(_FORM, text, re.ASCII):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
    raise VerificationError("a time in the log is invalid, or is not written as logs write it")


def check_times(entries: Sequence[Mapping[str, Any]], created: str, now: datetime | None = None) -> None:
    """Hold the times of a log against their order, the verifier's clock and the proof's own time.

    Raises:
        VerificationError: a time goes back, lies in the future, or before there was such a program.
    """
    latest = (now or datetime.now(UTC)) + _SKEW
    before = _EARLIEST
    for entry in entries:
        time = moment(entry["time"])
        if time < before:
            what = "goes back" if before > _EARLIEST else "lies before there was such a program"
            raise VerificationError(f"the time of line {entry['seq'] + 1} {what}: {entry['time']}")
        before = time
    if before > latest:
        raise VerificationError(f"the last line's time lies in the future: {entries[-1]['time']}")
    try:
        signed = datetime.fromisoformat(created)
        early = signed < before.replace(microsecond=0)
    except (ValueError, TypeError):
        raise VerificationError("the proof's time is invalid") from None
    if early or signed > latest:
        raise VerificationError(
            f"the proof's time, {created}, lies {'before the end of the run' if early else 'in the future'}"
        )


def read_history(entries: Sequence[dict[str, Any]]) -> History:
    """Return what led to the result.

    Raises:
        VerificationError: updates are missing, doubled or out of order, progress goes back, a run continues from a
            checkpoint that it never had, or a checkpoint or the end belong to no update.
    """
    try:
        return _read(entries)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise VerificationError(f"the log is not that of a training run ({type(error).__name__}: {error})") from None


def _read(entries: Sequence[dict[str, Any]]) -> History:
    steps: dict[int, dict[str, Any]] = {}
    checkpoints: dict[int, dict[str, Any]] = {}
    validations: dict[int, dict[str, Any]] = {}
    for entry in entries:
        event = entry["event"]
        if event not in ("step", "checkpoint", "validation", "resume"):
            continue
        number = entry["step"]
        if type(number) is not int:
            raise VerificationError(f"the {event} of line {entry['seq'] + 1} has no number")
        if event == "step":
            if number != len(steps) + 1:
                raise VerificationError(f"update {number} does not follow update {len(steps)}")
            before = steps[number - 1]["progress"] if number > 1 and "progress" in steps[number - 1] else 0.0
            if not before <= entry.get("progress", before) <= 1:
                raise VerificationError(f"the progress of update {number} goes back or beyond the end")
            steps[number] = entry
        elif event == "resume":
            _check_resume(entry, checkpoints)
            for known in (
                steps,
                checkpoints,
                validations,
            ):  # what came after that checkpoint did not lead to the result
                while known and next(reversed(known)) > number:
                    known.popitem()
        elif number != len(steps) or (event == "checkpoint" and not number):
            raise VerificationError(f"a {event} belongs to update {number}, which is not the last one done")
        else:
            (checkpoints if event == "checkpoint" else validations)[number] = entry
    end = entries[-1]
    if "step" in end and end["step"] not in checkpoints:
        raise VerificationError(f"the end names update {end['step']}, at which no checkpoint was logged")
    return History(len(steps), checkpoints, steps, validations, end)


def _check_resume(entry: Mapping[str, Any], checkpoints: Mapping[int, Mapping[str, Any]]) -> None:
    if entry["step"] == 0 and "weights_root" not in entry:
        return  # from the beginning
    known = checkpoints.get(entry["step"], {})
    roots = ("weights_root", "state_root")
    if not known or any(known[name] != entry.get(name) for name in roots):
        raise VerificationError(
            f"the run continues from update {entry['step']}, at which no such checkpoint was logged"
        )


def chosen_step(history: History, train: TrainTable) -> int:
    """Return the update whose weights a run ends with: its last, or the best by the logged validations."""
    if train.select != "best" or not history.validations:
        return history.updates
    return min(sorted(history.validations), key=lambda step: train.rank(history.validations[step]))


def stopping_step(history: History, train: TrainTable) -> int | None:
    """Return the update after which a validation ends the run: all is reached, or patience is over. None: none does."""
    best: float | None = None
    worse = 0
    for step in sorted(history.validations):
        rank = train.rank(history.validations[step])
        best, worse = (rank, 0) if best is None or rank < best else (best, worse + 1)
        if train.reached(history.validations[step]) or (train.patience and worse >= train.patience):
            return step
    return None
