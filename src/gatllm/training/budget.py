"""How much of a run is done: by updates, or by the clock."""

from __future__ import annotations

import time

from gatllm.training.tables import TrainTable

_DIGITS = 6  # of logged progress; the rate is computed from the rounded value, so that the log determines it


class Budget:
    """Steps or minutes. Time spent before an interruption counts; time between does not."""

    def __init__(self, train: TrainTable, spent: float = 0.0) -> None:
        self.train = train
        self._start = time.monotonic() - spent

    @property
    def seconds(self) -> float:
        """Seconds of training so far, evaluations and checkpoints included."""
        return time.monotonic() - self._start

    def during(self, step: int) -> float:
        """Return the progress that the update after ``step`` updates is done at: its rates follow from it."""
        if self.train.steps is not None:
            return (step + 0.5) / self.train.steps
        return round(min(1.0, self._elapsed_share()), _DIGITS)

    def after(self, step: int) -> float:
        """Return the fraction that is done after ``step`` updates; 1 or more: the run ends."""
        return step / self.train.steps if self.train.steps is not None else self._elapsed_share()

    def _elapsed_share(self) -> float:
        return self.seconds / (60.0 * (self.train.minutes or 1.0))

    def left(self, step: int) -> float:
        """Return the seconds that are left, as far as one can tell."""
        fraction = self.after(step)
        return self.seconds * (1.0 - fraction) / fraction if fraction > 0 else 0.0


def crossed(count: int, before: float, after: float) -> bool:
    """Tell whether one of ``count`` marks, spread evenly over the run, lies in (``before``, ``after``]."""
    return int(after * count + 1e-9) > int(before * count + 1e-9)


def clock(seconds: float) -> str:
    """Return seconds as minutes and seconds: ``3:07``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
