"""What is on the table in rounds: settings, data, held-out set, log; and the datasets that a round makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gatllm.adversarial.judge import Judge
from gatllm.adversarial.pieces import Sides
from gatllm.adversarial.referee import Referee
from gatllm.adversarial.standing import HeldOut, Standing
from gatllm.data import Dataset, DatasetWriter
from gatllm.progress import Report
from gatllm.records import HashLog, new_folder
from gatllm.training.run import Run

Finished = Callable[[Run, Sequence[Path], Path], None]
EventCallback = Callable[[Standing], None]


@dataclass(frozen=True)
class Settings:
    """What rounds are played with; a folder that was begun continues with the same.

    ``minutes`` of training for either side in each round; ``cases`` of each kind that the breaker tries, and that is
    measured on; ``prompts`` that the generator is measured on; ``fakes`` that it writes for the discriminator;
    ``answers`` to each of ``questions`` that it is rewarded for; ``judged`` functions among which falsely accused ones
    are looked for.
    """

    minutes: float = 2.0
    cases: int = 12
    prompts: int = 96
    fakes: int = 192
    questions: int = 96
    answers: int = 4
    judged: int = 400
    tests: bool = True
    overrides: dict[str, Any] = field(default_factory=dict)
    generator_overrides: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Game:
    """Rounds in a folder."""

    out: Path
    start: Path
    generator: Path | None
    settings: Settings
    source: str
    real: Path | None
    sides: Sides
    held: HeldOut
    first: Judge
    referee: Referee
    log: HashLog
    report: Report
    finished: Finished

    def folder(self, number: int) -> Path:
        """Return the folder of a round."""
        return self.out / f"round-{number}"

    def dataset(
        self, folder: Path, kind: str, make: Callable[[], tuple[Iterable[dict[str, Any]], dict[str, Any]]]
    ) -> Dataset:
        """Return a round's dataset; it is made once, with what is to be said of it, and appears whole."""
        if not folder.is_dir():
            records, notes = make()
            folder.parent.mkdir(parents=True, exist_ok=True)
            with (
                new_folder(folder) as place,
                DatasetWriter(place, "negative" if kind == "negative" else "positive", folder.name) as writer,
            ):
                for record in records:
                    writer.add(record)
                writer.finish(sources=[self.source], parent=self.sides.root, made_with=notes)
        return Dataset.open(folder)
