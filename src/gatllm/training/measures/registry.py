"""The measures by name."""

from __future__ import annotations

from gatllm.errors import UsageError
from gatllm.training.measures import code, questions, texts
from gatllm.training.measures.measured import Measure, Measured
from gatllm.training.measures.subject import Subject

MEASURES: dict[str, Measure] = {
    "text": texts.text,  # FILE or dataset: loss, bits per byte
    "answers": questions.answers,  # FILE: exact, F1 of words
    "abstention": questions.abstention,  # FILE: refused, right, wrong, risk over coverage
    "calibration": questions.calibration,  # FILE: how far the probability of an answer holds
    "code": code.passes,  # FILE.jsonl: pass@1, pass@5, pass@10
    "infilling": code.infilling,  # SOURCE: the missing line, exactly
    "repair": code.repair,  # SOURCE: the same tree again
}


def measure(wanted: str, subject: Subject, *, limit: int = 100, shots: int = 0, seed: int = 0) -> Measured:
    """Measure a model by ``NAME:SOURCE``.

    Raises:
        UsageError: there is no such measure, or it needs a source.
        GatllmError: the source can't be read.
    """
    name, _, source = wanted.partition(":")
    if name not in MEASURES:
        raise UsageError(f"there is no measure {name!r}", f"NAME:SOURCE with one of {', '.join(MEASURES)}")
    if not source:
        raise UsageError(f"what shall {name} be measured on?", f"write {name}:FILE")
    return MEASURES[name](subject, source, limit, shots, seed)
