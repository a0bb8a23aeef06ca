"""How sure we may be that a prompt is about what the data covers: cosine similarity, calibrated on this very data."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any, Self

from gatllm.answering.estimator import Estimator
from gatllm.answering.library import Library
from gatllm.answering.library.words import count
from gatllm.errors import GatllmError
from gatllm.progress import Progress, Report, silent
from gatllm.records import write_file

FEATURES = ("best cosine", "mean of the 5 best cosines", "known words", "ln(1 + words)")
PRECISION = 0.9
_DOCSTRING = re.compile(r"\s*(?:async\s+)?def\s.*?:[ \t]*\n\s*[rR]?(\"{3}|'{3})([\s\S]*?)\1", re.DOTALL)
# The ways people ask; both kinds of prompts are put into them, so that the wording itself tells nothing.
_ASKING = (
    "{}",
    "{}",
    "Write a Python function: {}",
    "How do I do this in Python: {}",
    "Please help: {}",
    "Explain: {}",
)


@dataclass(frozen=True, slots=True)
class Confidence:
    """The calibrated probability that the data covers a prompt, and what it came from."""

    value: float
    features: dict[str, float]


class ConfidenceModel:
    """Scores prompts by their likeness to a library.

    The calibration asks the library about its own functions with the whole record held out (their docstrings as
    prompts), and about other subjects, and fits the probability that a prompt is one of the former.
    """

    def __init__(self, library: Library, estimator: Estimator) -> None:
        self._library = library
        self.estimator = estimator

    @classmethod
    def calibrate(cls, library: Library, *, seed: int = 0, report: Report = silent) -> Self:
        """Fit on this library.

        Raises:
            GatllmError: the library has too few documented functions.
        """
        rng = Random(seed)
        outside = other_prompts()
        inside = held_out_prompts(library, rng, len(outside))  # as many: the threshold then promises for an even mix
        rows: list[list[float]] = []
        labels: list[bool] = []
        for at, (prompt, document) in enumerate([*inside, *((prompt, -1) for prompt in outside)]):
            rows.append(_features(library, rng.choice(_ASKING).format(prompt), without=document))
            labels.append(document >= 0)
            if at % 50 == 0:
                report(Progress("calibrating the confidence", at, len(inside) + len(outside), "prompts"))
        return cls(library, Estimator.fit(FEATURES, rows, labels, seed))

    @classmethod
    def cached(cls, library: Library, path: Path, *, seed: int = 0, report: Report = silent) -> Self:
        """Read the calibration of this very library from ``path``, or fit it and write it there.

        Raises:
            GatllmError: see `calibrate`; or ``path`` can't be written.
        """
        key = {"roots": library.roots, "seed": seed, "features": list(FEATURES)}
        try:
            kept = json.loads(path.read_bytes())
            if kept["of"] == key:
                return cls(library, Estimator.from_json(kept["estimator"]))
        except (OSError, ValueError, KeyError, TypeError):
            pass  # none, or of an older version: it is computed, not data
        model = cls.calibrate(library, seed=seed, report=report)
        write_file(path, json.dumps({"of": key, "estimator": model.estimator.to_json()}))
        return model

    def score(self, prompt: str) -> Confidence:
        """Return the confidence for one prompt."""
        row = _features(self._library, prompt)
        value = self.estimator.probability(row) if any(row[:3]) else 0.0
        return Confidence(value, dict(zip(FEATURES, row, strict=True)))


def _features(library: Library, prompt: str, without: int = -1) -> list[float]:
    import numpy as np

    cosines = library.index.words.cosines(prompt)
    if without >= 0:
        cosines[library.index.passages[:, 0] == without] = 0
    best = np.partition(cosines, -min(5, len(cosines)))[-5:]
    return [float(best.max()), float(best.mean()), library.known(prompt), float(np.log1p(count(prompt)))]


def held_out_prompts(library: Library, rng: Random, most: int) -> list[tuple[str, int]]:
    """Return first sentences of docstrings as prompts, each with the document it came from."""
    found: list[tuple[str, int]] = []
    for passage in library.passages():
        docstring = _DOCSTRING.match(passage.text)
        sentence = re.split(r"(?<=[.:])\s|\n\s*\n", docstring[2].strip(), maxsplit=1)[0] if docstring else ""
        if count(sentence) >= 3 and "test" not in passage.name.lower():
            found.append((" ".join(sentence.split()), passage.document))
    rng.shuffle(found)
    if len(found) < 10:
        raise GatllmError("the datasets hold too few documented functions to calibrate the confidence", "add data")
    return found[:most]


@cache
def other_prompts() -> tuple[str, ...]:
    """Return prompts about other subjects and other tools than plain Python."""
    text = files("gatllm.answering").joinpath("out_of_domain.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line)


def describe(confidence: Confidence) -> dict[str, Any]:
    """Return plain JSON values, rounded for reading."""
    return {"value": round(confidence.value, 4)} | {
        name.replace(" ", "_"): round(value, 4) for name, value in confidence.features.items()
    }
