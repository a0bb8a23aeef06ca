"""The interface of a reward: a plain callable from questions and answers to verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gatllm.tokenizers import Message


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: its text, what is known to be right (``reference``, or ``tests`` that an answer must pass).

    ``before`` is code that an answer may take as given, such as the imports above it; ``turns`` are what was said
    before the question, oldest first.
    """

    prompt: str
    reference: str = ""
    tests: tuple[str, ...] = ()
    key: str = ""
    before: str = ""
    turns: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """What one answer is worth, 0 (wrong) to 1 (right), and why, in a few plain words that are kept with it."""

    reward: float
    why: str = ""


# Takes questions and answers, one for each, and returns a verdict for each. A reward is a pure function of its
# arguments: whoever replays a run gets the same verdicts. A callable of one's own may return bare numbers.
Reward = Callable[[Sequence[Asked], Sequence[str]], Sequence[Judged]]
