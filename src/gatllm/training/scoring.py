"""How close an answer is to the reference: exactly the same, or by the words that both have."""

from __future__ import annotations

import re
from collections import Counter

_WORD = re.compile(r"\w+")


def word_f1(answer: str, reference: str) -> float:
    """Return the F1 of the words of ``answer`` against those of ``reference`` (Rajpurkar et al. 2016), 0 to 1.

    Case and punctuation don't count. Two texts without any word are equal or not.
    """
    mine, theirs = (Counter(_WORD.findall(text.casefold())) for text in (answer, reference))
    if not mine or not theirs:
        return float(answer.strip() == reference.strip())
    common = (mine & theirs).total()
    return 2 * common / (mine.total() + theirs.total())


def exact(answer: str, reference: str) -> bool:
    """Tell whether ``answer`` is the reference, white space at both ends aside."""
    return answer.strip() == reference.strip()
