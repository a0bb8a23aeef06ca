"""The measures by name."""

from __future__ import annotations

from pathlib import Path

from gatllm.errors import GatllmError, UsageError
from gatllm.training.measures import code, questions, texts
from gatllm.training.measures.measured import Measure, Measured
from gatllm.training.measures.subject import Subject
from gatllm.training.own_function import own_function

_OWN = "FILE.py:function:SOURCE"

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
    """Measure a model by ``NAME:SOURCE``, or by a measure of one's own, ``FILE.py:function:SOURCE``.

    Raises:
        UsageError: there is no such measure, or it needs a source.
        GatllmError: the source can't be read, or one's own measure gives something else than a `Measured`.
    """
    name, _, source = wanted.partition(":")
    if is_own(name):
        function, _, source = source.partition(":")
        found = own_function(Path(name), function, _OWN)(subject, source, limit, shots, seed)
        if not isinstance(found, Measured):
            raise GatllmError(f"{function} of {name} gave {type(found).__name__}", "return training.measures.Measured")
        return found
    if name not in MEASURES:
        raise UsageError(f"there is no measure {name!r}", f"NAME:SOURCE with one of {', '.join(MEASURES)}, or {_OWN}")
    if not source:
        raise UsageError(f"what shall {name} be measured on?", f"write {name}:FILE")
    return MEASURES[name](subject, source, limit, shots, seed)


def is_own(name: str) -> bool:
    """Tell whether a measure is a function of a Python file."""
    return name.endswith(".py")
