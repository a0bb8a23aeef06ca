"""How both sides stand on a fixed held-out set: one entry of the log after each round."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from random import Random
from typing import Any

from gatllm.adversarial.breaker import break_code
from gatllm.adversarial.case import Case
from gatllm.adversarial.judge import Judge, area, fractions, is_grammar
from gatllm.adversarial.pieces import Piece, draw
from gatllm.adversarial.referee import Referee
from gatllm.adversarial.replacing import replaced
from gatllm.adversarial.reward import Scored, distinct, length, score
from gatllm.adversarial.writer import Writer, Written
from gatllm.data import Dataset, split_of
from gatllm.errors import VerificationError
from gatllm.records import sha256, write_file

_REAL_CASES = 120
_SEED = 20_261_122


@dataclass(frozen=True)
class Standing:
    """How the two sides stand after a round (0: before the first). None: not measured.

    The discriminator: ``auroc`` tells held-out errors of meaning from untouched code, ``auroc_replaced`` tokens that
    the first generator put in the place of others; ``false_alarms`` is the fraction of untouched code above the
    threshold; ``repaired`` the fraction of grammar errors whose syntax tree came back; ``missed`` the fraction of each
    kind that it does not repair (grammar) or notice (meaning). ``auroc_samples`` tells what this round's generator
    writes from what people wrote in the same places, ``auroc_first`` what the first generator wrote. ``real_*``: on
    mined mistakes.

    The generator: ``auroc_start`` is how well the *first* discriminator tells its samples from people's code (lower is
    better); ``samples_*`` are fractions; ``loss`` is its cross-entropy on what people wrote, in nats per token;
    ``distinct`` the fraction of different 4-grams, ``length`` the mean number of tokens. ``kept``: the next round goes
    on with this generator (it is not, where it unlearns real code or repeats itself).
    """

    round: int
    auroc: float | None
    false_alarms: float
    repaired: float
    missed: dict[str, float]
    auroc_replaced: float | None = None
    auroc_samples: float | None = None
    auroc_first: float | None = None
    auroc_start: float | None = None
    samples_parse: float | None = None
    samples_compile: float | None = None
    samples_clean: float | None = None
    reward: float | None = None
    loss: float | None = None
    distinct: float | None = None
    length: float | None = None
    real_auroc: float | None = None
    real_repaired: float | None = None
    phase: str = "round"
    kept: bool = True

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Standing:
        """Read a log entry."""
        return cls(**{one.name: entry[one.name] for one in fields(cls) if one.name in entry})

    def as_dict(self) -> dict[str, Any]:
        """Return the standing as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class HeldOut:
    """What is measured on, the same in every round: errors, untouched code, prompts, the first generator's answers."""

    cases: list[Case]
    clean: list[str]
    replaced: list[Case]
    prompts: list[Piece]
    people: list[str]  # what people wrote where the generator writes
    first: list[str]
    mined: list[Case] = field(default_factory=list)  # their dataset keeps them: it may come after the first rounds

    def save(self, file: Path) -> str:
        """Write it down and return the hash of what was written."""
        values = {
            "cases": [case.as_dict() for case in self.cases],
            "clean": self.clean,
            "replaced": [case.as_dict() for case in self.replaced],
            "prompts": [{**asdict(piece), "names": sorted(piece.names)} for piece in self.prompts],
            "people": self.people,
            "first": self.first,
        }
        data = json.dumps(values, indent=1, sort_keys=True).encode()
        write_file(file, data)
        return sha256(data)

    @classmethod
    def load(cls, file: Path, wanted: str) -> HeldOut:
        """Read what `save` wrote.

        Raises:
            VerificationError: it was changed since.
        """
        data = file.read_bytes()
        if sha256(data) != wanted:
            raise VerificationError(f"{file} is not what these rounds began with", "restore it, or begin anew")
        values = json.loads(data)
        return cls(
            [Case.read(one) for one in values["cases"]],
            values["clean"],
            [Case.read(one) for one in values["replaced"]],
            [Piece(**{**one, "names": frozenset(one["names"])}) for one in values["prompts"]],
            values["people"],
            values["first"],
        )


def hold_out(pieces: Sequence[Piece], writer: Writer | None, referee: Referee, *, each: int, prompts: int) -> HeldOut:
    """Draw what is measured on from held-out code; only what the referee calls a negative is one."""
    cases = referee.counting(break_code(pieces, each, Random("held out")))
    clean = [piece.text for piece in draw(list(pieces), max(len(cases), 100), Random("untouched"))]
    asked: list[Piece] = []
    people: list[str] = []
    first: list[str] = []
    other: list[Case] = []
    if writer is not None:
        asked = writer.fitting(pieces, prompts, Random("prompts"))
        people = [piece.text if writer.continues else piece.target for piece in asked]
        first = [one.text for one in sample(writer, asked)]
        other = referee.counting(replaced(writer, draw(list(pieces), prompts, Random("replaced")), _SEED))
    return HeldOut(cases, clean, other, asked, people, first)


def mined_cases(real: Path, most: int = _REAL_CASES) -> list[Case]:
    """Return the held-out mistakes of a dataset of mined ones, at most ``most``."""
    found = []
    for record in Dataset.open(real).records():
        origin = str(record.get("origin", record["id"]))
        if split_of(origin) == "validation" and "broken" in record:
            found.append(
                Case.read(
                    {
                        "broken": str(record["broken"]),
                        "text": str(record["text"]),
                        "edits": record["edits"],
                        "family": str((record.get("families") or ["real"])[0]),
                        "syntactic": bool(record.get("syntactic")),
                        "origin": origin,
                    }
                )
            )
    return Random("mined").sample(found, min(most, len(found)))


def sample(writer: Writer, prompts: Sequence[Piece]) -> list[Written]:
    """Return one answer to each prompt, drawn the same way in every round."""
    return [answers[0] for answers in writer.write(prompts, 1, _SEED)]


def measure(
    number: int,
    judge: Judge,
    writer: Writer | None,
    held: HeldOut,
    first: Judge,
    answers: Sequence[Written],
    phase: str,
) -> Standing:
    """Measure both sides; ``first`` is the discriminator that the rounds began with, ``answers`` the generator's."""
    untouched = judge.probabilities(held.clean)
    meaning = [case for case in held.cases if not case.syntactic]
    missed = fractions(held.cases, judge.misses(held.cases))
    grammar = [fraction for name, fraction in missed.items() if is_grammar(name)]
    sneaky = [case.broken for case in held.replaced if not case.syntactic]
    return Standing(
        round=number,
        auroc=area(untouched, judge.probabilities([case.broken for case in meaning])),
        false_alarms=sum(value >= judge.threshold for value in untouched) / max(len(untouched), 1),
        repaired=1 - sum(grammar) / max(len(grammar), 1),
        missed=missed,
        auroc_replaced=area(untouched, judge.probabilities(sneaky)),
        phase=phase,
        **(_writing(judge, writer, held, first, answers) if writer is not None and answers else {}),
        **(_mined(judge, held) if held.mined else {}),
    )


def _writing(judge: Judge, writer: Writer, held: HeldOut, first: Judge, answers: Sequence[Written]) -> dict[str, Any]:
    scored: list[Scored] = score(judge, answers)
    texts, people, count = [one.text for one in answers], judge.looks(held.people), max(len(answers), 1)
    return {
        "auroc_samples": area(people, judge.looks(texts)),
        "auroc_first": area(people, judge.looks(held.first)),
        "auroc_start": area(first.looks(held.people), first.looks(texts)),
        "samples_parse": sum(one.parses for one in scored) / count,
        "samples_compile": sum(one.compiles for one in scored) / count,
        "samples_clean": sum(one.clean for one in scored) / count,
        "reward": sum(one.reward for one in scored) / count,
        "loss": writer.loss(held.prompts),
        "distinct": distinct(answers),
        "length": length(answers),
    }


def _mined(judge: Judge, held: HeldOut) -> dict[str, Any]:
    meaning = [case for case in held.mined if not case.syntactic]
    grammar = [case for case in held.mined if case.syntactic]
    repaired = judge.misses(grammar)
    intact = judge.probabilities([case.text for case in meaning])
    return {
        "real_auroc": area(intact, judge.probabilities([case.broken for case in meaning])),
        "real_repaired": 1 - sum(repaired) / len(repaired) if repaired else None,
    }
