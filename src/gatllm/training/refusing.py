"""Teaching a model to say that it does not know: find out what it knows, and write answers or refusals accordingly.

A question is asked several times. What is nearly always right is known, what is hardly ever right is not (Kadavath et
al. 2022; R-Tuning, Zhang et al. 2024); what lies between teaches neither and is left out. Known questions keep the
model's reference, unknown ones get a refusal in one of many wordings, so that no wording becomes a reflex.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gatllm.data import Dataset, DatasetWriter
from gatllm.errors import GatllmError
from gatllm.progress import Progress, Report, silent
from gatllm.records import digest, new_folder
from gatllm.training.rewards.reward import Asked, Reward

# Takes questions, a number of answers and a temperature; returns that many answers to each.
Answers = Callable[[Sequence[str], int, float], list[list[str]]]
Knowledge = Literal["known", "unsure", "unknown"]

REFUSALS = (
    "I do not know.",
    "I don't know.",
    "I do not know that.",
    "I do not know the answer.",
    "That I do not know.",
    "I'm not sure, so I would rather not say.",
    "I can't answer that.",
    "I have not learnt that.",
    "I do not know enough to answer.",
    "I can't say.",
    "I don't have an answer to that.",
    "That is something I don't know.",
    "I do not know; anything I said would be a guess.",
    "I am not sure and won't guess.",
    "Sorry, I do not know.",
    "Sorry, I can't answer that.",
    "I was never told that.",
    "I have no reliable answer.",
    "I'd be guessing: I do not know.",
    "This is beyond what I know.",
)
_TIMES = 8
_TEMPERATURE = 0.7
_KNOWN, _UNKNOWN = 0.75, 0.125  # fractions of right answers: 6 of 8 and more, 1 of 8 and less
_RIGHT = 1.0 - 1e-9
_AT_ONCE = 16
_REFUSES = re.compile(
    r"\b(?:(?:do|does|did)(?: not|n't) (?:know|have an answer)|not know|can't (?:say|answer)|cannot (?:say|answer)|"
    r"(?:am|'m) not sure|won't guess|not learnt|never told|no reliable answer|beyond what i know)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Probed:
    """A question and how many of the answers to it were right."""

    asked: Asked
    right: int
    times: int

    @property
    def knowledge(self) -> Knowledge:
        """What the model knows of it."""
        share = self.right / self.times
        return "known" if share >= _KNOWN else "unknown" if share <= _UNKNOWN else "unsure"


def is_refusal(answer: str) -> bool:
    """Tell whether an answer says that there is none: in its first sentence, in any of the usual ways."""
    first = re.split(r"(?<=[.!?])\s", answer.strip().replace("’", "'"), maxsplit=1)[0]
    return _REFUSES.search(first) is not None


def probe(
    asked: Sequence[Asked], answers: Answers, reward: Reward, *, times: int = _TIMES, report: Report = silent
) -> list[Probed]:
    """Ask each question several times and return how often the answer was right; what can't be asked is left out.

    Raises:
        GatllmError: not one can be asked.
    """
    found: list[Probed] = []
    problem: GatllmError | None = None
    for first in range(0, len(asked), _AT_ONCE):
        some = list(asked[first : first + _AT_ONCE])
        try:
            groups = answers([one.prompt for one in some], times, _TEMPERATURE)
        except GatllmError as error:
            problem = error
            some, groups = _one_by_one(some, answers, times)
        verdicts = iter(
            reward([one for one in some for _ in range(times)], [text for group in groups for text in group])
        )
        for one in some:
            found.append(Probed(one, sum(next(verdicts).reward >= _RIGHT for _ in range(times)), times))
        report(Progress("ask", min(first + _AT_ONCE, len(asked)), len(asked), "questions"))
    if problem is not None and not found:
        raise problem
    return found


def _one_by_one(some: Sequence[Asked], answers: Answers, times: int) -> tuple[list[Asked], list[list[str]]]:
    """Return those that can be asked, with their answers: one question that is too long spoils no others."""
    kept: list[Asked] = []
    groups: list[list[str]] = []
    for one in some:
        try:
            groups += answers([one.prompt], times, _TEMPERATURE)
        except GatllmError:
            continue
        kept.append(one)
    return kept, groups


def write_refusals(
    probed: Sequence[Probed], out: Path, *, source: str, seed: int = 0, replace: bool = False
) -> Dataset:
    """Write a dataset of questions and answers: known ones with their references, unknown ones with refusals.

    There are at most as many refusals as answers where something is known: a model that is mostly taught to refuse
    refuses what it knows.

    Raises:
        GatllmError: nothing is known, or nothing unknown: there would be nothing to tell apart.
    """
    rng = random.Random(f"{seed}/refusals")
    groups: dict[Knowledge, list[Probed]] = {"known": [], "unsure": [], "unknown": []}
    for one in probed:
        groups[one.knowledge].append(one)
    known, unknown = groups["known"], groups["unknown"]
    if not known or not unknown:
        what = "knows none" if not known else "knows all"
        raise GatllmError(f"the model {what} of these {len(probed)} questions", "take questions of both kinds")
    refused = rng.sample(unknown, min(len(unknown), len(known)))
    rows = [(one, one.asked.reference) for one in known]
    rows += [(one, rng.choice(REFUSALS)) for one in refused]
    rng.shuffle(rows)
    with new_folder(out, replace=replace) as folder, DatasetWriter(folder, "positive", out.name) as writer:
        for one, answer in rows:
            content = digest([one.asked.prompt, answer])
            writer.add(
                {
                    "id": content[:16],
                    "prompt": one.asked.prompt,
                    "text": answer,
                    "right": one.right,
                    "times": one.times,
                    "sha256": content,
                    "licence": "NOASSERTION",
                    "origin": one.asked.key,
                }
            )
        counts = {str(name): len(group) for name, group in groups.items()}
        writer.finish(sources=[source], made_with={**counts, "refused": len(refused), "times": _TIMES, "seed": seed})
    return Dataset.open(out)
