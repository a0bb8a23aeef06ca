"""The discriminator in rounds: how real a text looks to it, and what it misses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from gatllm.adversarial.case import Case
from gatllm.data import FAMILIES
from gatllm.review import Reviewer, same_tree
from gatllm.review.measures import auroc


class Judge:
    """A discriminator's run, loaded."""

    def __init__(self, run: Path | str) -> None:
        self.reviewer = Reviewer.load(run)
        self.threshold = self.reviewer.threshold

    def looks(self, texts: Sequence[str]) -> list[float]:
        """Return for each text the whole-text head's logit of being fake, of its most suspicious window."""
        return [self.reviewer.features(text)[0] for text in texts]

    def realness(self, texts: Sequence[str]) -> list[float]:
        """Return for each text how real it looks, 0 to 1: the reward of a generator."""
        return [1 / (1 + math.exp(min(max(logit, -60.0), 60.0))) for logit in self.looks(texts)]

    def probabilities(self, texts: Sequence[str]) -> list[float]:
        """Return for each text the probability of being fake that `gatllm check` would state."""
        return [review.probability or 0.0 for review in self.reviewer.check_all(list(texts))]

    def misses(self, cases: Sequence[Case]) -> list[bool]:
        """Tell of each case whether it is not repaired (grammar) or not noticed (meaning)."""
        meaning = [case for case in cases if not case.syntactic]
        noticed = dict(zip(map(id, meaning), self.probabilities([case.broken for case in meaning]), strict=True))
        return [noticed[id(case)] < self.threshold if id(case) in noticed else not self._mends(case) for case in cases]

    def _mends(self, case: Case) -> bool:
        return same_tree(self.reviewer.fix(case.broken).likeliest, case.text)


def fractions(cases: Sequence[Case], misses: Sequence[bool]) -> dict[str, float]:
    """Return the fraction of misses by kind of error."""
    rows: dict[str, list[bool]] = {}
    for case, missed in zip(cases, misses, strict=True):
        rows.setdefault(case.family, []).append(missed)
    return {name: sum(flags) / len(flags) for name, flags in sorted(rows.items())}


def area(real: Sequence[float], fake: Sequence[float]) -> float | None:
    """Return how well scores tell fake from real (AUROC); None without both."""
    if not real or not fake:
        return None
    return auroc([*real, *fake], [False] * len(real) + [True] * len(fake))


def is_grammar(family: str) -> bool:
    """Tell whether a kind of error breaks the grammar."""
    return family in FAMILIES and FAMILIES[family].syntactic
