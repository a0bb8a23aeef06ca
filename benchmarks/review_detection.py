"""Detection of injected errors of meaning, false alarms on untouched code, calibration of the probability."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from review_cases import SEMANTIC, Code

from gatllm.data import Corruption, corrupt
from gatllm.review import Review, Reviewer
from gatllm.review.measures import auroc, expected_calibration_error, reliability
from gatllm.review.region import place
from gatllm.review.reliability import draw_reliability

_TOGETHER = 200  # texts judged together
# Too short for a probability: even odds where scores are ranked, left out where they are held to their word.
_UNJUDGED = 0.5


def injected(reviewer: Reviewer, code: Code, count: int, seed: str, plot: Path) -> dict[str, Any]:
    """``count`` functions untouched, and the same with one error of meaning that still parses.

    Localisation is that of the token the model finds most suspicious, whatever its verdict: a hit when it touches the
    place of the error (`top1_token`), or stands in its line (`top1_line`).
    """
    rng = Random(seed)
    made: list[Corruption] = []
    good: list[str] = []
    for text in rng.sample(code.functions, len(code.functions)):
        if len(made) == count:
            break
        one = corrupt(text, rng, 2, SEMANTIC)
        if one is not None and not one.syntactic:
            made.append(one)
            good.append(text)
    stated = [review.probability for review in _reviews(reviewer, [*good, *(one.broken for one in made)])]
    scores = [_UNJUDGED if value is None else value for value in stated]
    clean, broken = scores[: len(good)], scores[len(good) :]
    found = [hits(reviewer, one.broken, one.edits) for one in made]
    labels = [False] * len(clean) + [True] * len(broken)
    judged = [(value, label) for value, label in zip(stated, labels, strict=True) if value is not None]
    values, truths = [value for value, _ in judged], [label for _, label in judged]
    draw_reliability(reliability(values, truths), plot, "Functions of held-out packages, half with an error")
    of: dict[str, list[int]] = defaultdict(list)
    for number, one in enumerate(made):
        of[one.families[0]].append(number)
    return {
        "pairs": len(made),
        "auroc": auroc([*clean, *broken], labels),
        "paired": sum(a < b for a, b in zip(clean, broken, strict=True)) / len(made),
        "flagged": sum(value >= reviewer.threshold for value in broken) / len(made),
        "false_alarms": sum(value >= reviewer.threshold for value in clean) / len(clean),
        "threshold": reviewer.threshold,
        "top1_token": sum(hit[0] for hit in found) / len(found),
        "top1_line": sum(hit[1] for hit in found) / len(found),
        "ece": expected_calibration_error(values, truths),
        "judged": len(judged) / len(stated),
        "families": {
            family: {
                "pairs": len(numbers),
                "auroc": auroc(clean + [broken[n] for n in numbers], [False] * len(clean) + [True] * len(numbers)),
                "flagged": sum(broken[n] >= reviewer.threshold for n in numbers) / len(numbers),
                "top1_token": sum(found[n][0] for n in numbers) / len(numbers),
                "top1_line": sum(found[n][1] for n in numbers) / len(numbers),
            }
            for family, numbers in sorted(of.items())
        },
    }


def _reviews(reviewer: Reviewer, texts: Sequence[str]) -> list[Review]:
    out: list[Review] = []
    for start in range(0, len(texts), _TOGETHER):
        out += reviewer.check_all(list(texts[start : start + _TOGETHER]))
    return out


def hits(reviewer: Reviewer, broken: str, edits: Sequence[tuple[int, int, str]]) -> tuple[bool, bool]:
    """Whether the most suspicious token touches an edit, and whether it is in the line of one."""
    found = reviewer.localise(broken)
    if not found:
        return False, False
    start, end, _ = found[0]
    line = place(broken, end if "\n" in broken[start:end] else start)[0]
    lines = {place(broken, at)[0] for at, _, _ in edits}
    return any(start <= b and a <= end for a, b, _ in edits), line in lines


def false_alarms(reviewer: Reviewer, code: Code, count: int, seed: str) -> dict[str, Any]:
    """Alarms on ``count`` untouched modules: the model's own verdict, without compiler and ruff."""
    modules = Random(seed).sample(code.modules, min(count, len(code.modules)))
    texts = [text for _, text in modules]
    probabilities = [review.probability or 0.0 for review in _reviews(reviewer, texts)]
    alarms = sum(value >= reviewer.threshold for value in probabilities)
    return {
        "files": len(texts),
        "lines": sum(text.count("\n") for text in texts),
        "alarms": alarms,
        "fraction": alarms / max(len(texts), 1),
        "interval_95": wilson(alarms, len(texts)),
        "files_with_alarm": [
            name for (name, _), p in zip(modules, probabilities, strict=True) if p >= reviewer.threshold
        ],
    }


def wilson(hits_: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a fraction (Wilson 1927)."""
    if not of:
        return 0.0, 1.0
    z, fraction = 1.96, hits_ / of
    middle = (fraction + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(fraction * (1 - fraction) / of + z * z / (4 * of * of))
    return max(middle - half, 0.0), min(middle + half, 1.0)
