"""What the generator is rewarded for, and which of its answers it learns from.

The reward of an answer is the mean of four: how real the discriminator finds it, whether it parses, whether it
compiles, whether ruff finds nothing; times the brevity penalty of BLEU (Papineni et al. 2002) against what a person
wrote there, since short code is the easiest way to all four (measured: `dev/LOG.md`). Of several answers to a prompt
the best one is kept (best-of-n, RAFT), weighted by how far its reward lies above the others' (reward-weighted
regression). A discriminator alone would be fooled, and linters alone reward empty code, so both are in it, and what
collapses is seen in `distinct` and the held-out loss.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gatllm.adversarial.judge import Judge
from gatllm.adversarial.writer import Written
from gatllm.data.functions import parse
from gatllm.records import sha256
from gatllm.review import compile_error, lint
from gatllm.tokenizers.lexing.strict import lex

_TEMPERATURE = 0.15  # of the weights: a reward higher by so much counts e times as much
_HEAVIEST = 3.0
_SHORTEST = 4  # tokens of an answer; less is not code to learn from
_GRAM = 4
_UNDEFINED = re.compile(r"Undefined name `(.+)`")


@dataclass(frozen=True)
class Scored:
    """An answer and what is said of it. ``clean``: ruff finds nothing but names that the answer's module defines."""

    written: Written
    realness: float
    parses: bool
    compiles: bool
    clean: bool

    @property
    def reward(self) -> float:
        """The mean of the four, less where the answer is shorter than a person's: 0 to 1."""
        return (self.realness + self.parses + self.compiles + self.clean) / 4 * self.brevity

    @property
    def brevity(self) -> float:
        """The brevity penalty: 1 where the answer is at least as long as what a person wrote, below that less."""
        wanted, own = len(_words(self.written.real)), max(len(_words(self.written.answer)), 1)
        return min(1.0, math.exp(1 - wanted / own))


def score(judge: Judge, answers: Sequence[Written]) -> list[Scored]:
    """Judge answers; one that came to no end counts as not parsing."""
    realness = judge.realness([one.text for one in answers])
    compiles = [one.ended and compile_error(one.text) is None for one in answers]
    clean = iter(lint([one.text for one, good in zip(answers, compiles, strict=True) if good]))
    scored = []
    for one, real, good in zip(answers, realness, compiles, strict=True):
        own = good and not any(_is_own(finding.code, finding.message, one) for finding in next(clean))
        scored.append(Scored(one, real, one.ended and parse(one.text) is not None, good, own))
    return scored


def _is_own(code: str, message: str, written: Written) -> bool:
    """Tell whether a finding is the answer's fault: a function alone does not know what its module defines."""
    undefined = _UNDEFINED.match(message) if code == "F821" else None
    return undefined is None or undefined[1] not in written.piece.names


def select(groups: Sequence[Sequence[Scored]]) -> list[tuple[Scored, float]]:
    """Return the best answer of each group that compiles and beats its group's mean, with its weight (mean 1)."""
    best: dict[str, tuple[Scored, float]] = {}
    for group in groups:
        mean = sum(one.reward for one in group) / len(group)
        top = max(group, key=lambda one: one.reward)
        if top.compiles and top.reward > mean and len(_words(top.written.answer)) >= _SHORTEST:
            best.setdefault(top.written.text, (top, math.exp((top.reward - mean) / _TEMPERATURE)))
    if not best:
        return []
    mean = sum(weight for _, weight in best.values()) / len(best)
    return [(one, min(weight / mean, _HEAVIEST)) for one, weight in best.values()]


def record(one: Scored, weight: float) -> dict[str, Any]:
    """Return a rewarded answer as a record of a positive dataset."""
    text = one.written.text
    return {
        "id": sha256(text.encode("utf-8", "surrogatepass"))[:16],
        "text": text,
        "prompt": one.written.prompt,
        "weight": round(weight, 4),
        "reward": round(one.reward, 4),
        "sha256": sha256(text.encode("utf-8", "surrogatepass")),
        "licence": one.written.piece.licence,
        "origin": f"generator:{one.written.piece.origin}",
    }


def distinct(answers: Sequence[Written]) -> float:
    """Return the fraction of different 4-grams of tokens among all (distinct-n, Li et al. 2016): low means collapse."""
    grams: list[tuple[str, ...]] = []
    for one in answers:
        words = _words(one.answer)
        grams += [tuple(words[at : at + _GRAM]) for at in range(len(words) - _GRAM + 1)]
    return len(set(grams)) / len(grams) if grams else 0.0


def length(answers: Sequence[Written]) -> float:
    """Return the mean number of tokens of the answers."""
    return sum(len(_words(one.answer)) for one in answers) / max(len(answers), 1)


def _words(text: str) -> list[str]:
    return [token.text for token in lex(text) if token.kind not in {"space", "indent", "newline", "comment"}]
