"""Questions with references: right answers, refusals, and how far the model's own probability holds."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from gatllm.errors import GatllmError, UsageError
from gatllm.review.measures import auroc, expected_calibration_error
from gatllm.training.fewshot import Task, load_task, wilson
from gatllm.training.measures.measured import Item, Measured, fraction_of
from gatllm.training.measures.subject import Subject
from gatllm.training.refusing import is_refusal
from gatllm.training.rewards import Asked
from gatllm.training.rewards.words import contains
from gatllm.training.scoring import exact, word_f1

_TOKENS = 48
_BINS = 10
_LOST = 0.05  # of the right answers may be lost to a threshold


@dataclass(frozen=True, slots=True)
class _Answered:
    key: str
    reference: str
    text: str
    confidence: float  # the geometric mean of the probabilities of its tokens
    problem: str = ""

    @property
    def right(self) -> bool:
        """Exactly the reference, or having it without being much longer."""
        if self.problem:
            return False
        return exact(self.text, self.reference) or bool(contains([Asked("", self.reference)], [self.text])[0].reward)


def answers(subject: Subject, source: str, limit: int, shots: int, seed: int) -> Measured:
    """Return how many answers are exactly the reference, and their mean F1 of words."""
    task, found = _asked(subject, source, limit, shots, seed)
    right = sum(exact(one.text, one.reference) for one in found)
    f1 = [word_f1(one.text, one.reference) for one in found]
    numbers = {"exact": (right / len(found), *wilson(right, len(found))), "f1": fraction_of(f1)}
    items = tuple(Item(one.key, float(exact(one.text, one.reference)), one.text) for one in found)
    return Measured("answers", numbers, items, _bad(task, found))


def abstention(subject: Subject, source: str, limit: int, shots: int, seed: int) -> Measured:
    """Return what becomes of questions: right, wrong or refused; and the risk where the surest half is answered.

    ``precision`` of what is answered is right / answered. ``risk_at_half``: the fraction wrong among the half of all
    questions of which the model is surest, refusals last; `aurc` the mean over all coverages (Geifman and El-Yaniv
    2017). ``threshold_refused`` and ``threshold_lost`` say what refusing below a threshold of its own probability would
    give: of the wrong answers the fraction refused, of the right ones the fraction lost; see `by_threshold`.
    """
    task, found = _asked(subject, source, limit, shots, seed)
    said = ["refused" if is_refusal(one.text) or one.problem else "right" if one.right else "wrong" for one in found]
    counts = {what: said.count(what) for what in ("right", "wrong", "refused")}
    numbers: dict[str, tuple[float, float | None, float | None]] = {
        what: (count / len(found), *wilson(count, len(found))) for what, count in counts.items()
    }
    answered = counts["right"] + counts["wrong"]
    if answered:
        numbers["precision"] = (counts["right"] / answered, *wilson(counts["right"], answered))
    order = sorted(zip(said, found, strict=True), key=lambda pair: (pair[0] == "refused", -pair[1].confidence))
    risks, wrong = [], 0
    for place, (what, _) in enumerate(order, 1):
        if what == "refused":
            break
        wrong += what == "wrong"
        risks.append(wrong / place)
    if risks and not any(math.isnan(one.confidence) for one in found):
        numbers["risk_at_half"] = (risks[min(len(risks), max(1, len(found) // 2)) - 1], None, None)
        numbers["aurc"] = (sum(risks) / len(risks), None, None)
        given = [(what == "right", one.confidence) for what, one in zip(said, found, strict=True) if what != "refused"]
        numbers |= {f"threshold_{name}": value for name, value in by_threshold(given).items()}
    items = tuple(Item(one.key, float(what == "right"), what) for what, one in zip(said, found, strict=True))
    return Measured("abstention", numbers, items, _bad(task, found))


def by_threshold(answers: Sequence[tuple[bool, float]]) -> dict[str, tuple[float, float, float]]:
    """Return what refusing below a threshold gives for answers that are right or not, each with its confidence.

    The threshold is set on one half so that at most 5 % of its right answers lie below, counted as for one more
    (conformal: Vovk et al. 2005), and applied to the other half, and the other way round: no answer is judged by a
    threshold that it helped to set. Empty where a half has fewer right answers than that takes (19).
    """
    halves = (answers[::2], answers[1::2])
    wrong: list[bool] = []
    right: list[bool] = []
    for here, there in (halves, halves[::-1]):
        known = sorted(confidence for good, confidence in here if good)
        below = int(_LOST * (len(known) + 1))
        if not below:
            return {}
        threshold = known[below - 1]
        wrong += [confidence < threshold for good, confidence in there if not good]
        right += [confidence < threshold for good, confidence in there if good]
    counted = {"refused": wrong, "lost": right}
    return {name: (sum(low) / len(low), *wilson(sum(low), len(low))) for name, low in counted.items() if low}


def learnt_to_refuse(before: Measured, after: Measured) -> dict[str, tuple[float, float, float]]:
    """Return what a model gained by learning to refuse: of what it got wrong the fraction ``refused`` now, of what it
    got right the fraction ``lost`` (refused or wrong now), of its refusals the fraction that was ``due``.

    Raises:
        UsageError: one of them is not a measure of abstention.
    """
    if {before.name, after.name} != {"abstention"}:
        raise UsageError("refusals are compared between two measures of abstention", "--task abstention:FILE --against")
    then = {item.key: item.said for item in before.items}
    both = [(then[item.key], item.said) for item in after.items if item.key in then]
    wrong = [now for was, now in both if was == "wrong"]
    right = [now for was, now in both if was == "right"]
    refused = [was for was, now in both if now == "refused"]
    counted = {
        "refused": (sum(now == "refused" for now in wrong), len(wrong)),
        "lost": (sum(now != "right" for now in right), len(right)),
        "due": (sum(was != "right" for was in refused), len(refused)),
    }
    return {name: (part / whole, *wilson(part, whole)) for name, (part, whole) in counted.items() if whole}


def calibration(subject: Subject, source: str, limit: int, shots: int, seed: int) -> Measured:
    """Return how far an answer's probability (the mean of its tokens') is that of its being right."""
    task, found = _asked(subject, source, limit, shots, seed)
    if any(math.isnan(one.confidence) for one in found):
        raise UsageError(f"{subject.name} does not tell how sure it is of its answers", "measure answers or abstention")
    pairs = [(min(max(one.confidence, 0.0), 1.0), one.right) for one in found]
    stated, right = [one for one, _ in pairs], [one for _, one in pairs]
    numbers: dict[str, tuple[float, float | None, float | None]] = {
        "ece": (expected_calibration_error(stated, right, _BINS), None, None),
        "brier": fraction_of([(confidence - right) ** 2 for confidence, right in pairs]),
        "right": (sum(right) / len(pairs), *wilson(sum(right), len(pairs))),
    }
    if 0 < sum(right) < len(right):
        numbers["auroc"] = (auroc(stated, right), None, None)
    items = tuple(
        Item(one.key, (confidence - right) ** 2, one.text)
        for one, (confidence, right) in zip(found, pairs, strict=True)
    )
    return Measured("calibration", numbers, items, _bad(task, found), lower_is_better=True)


def _asked(subject: Subject, source: str, limit: int, shots: int, seed: int) -> tuple[Task, list[_Answered]]:
    """Ask the same questions of every model: they are drawn by ``seed`` alone."""
    task = load_task(source, template="{input}" if not shots else "Input: {input}\nOutput:")
    if len(task.examples) <= shots:
        raise UsageError(f"the task {task.name} has {len(task.examples)} examples", f"give more than {shots}")
    rng = random.Random(f"{seed}/{task.name}")
    chosen = rng.sample(range(len(task.examples)), min(limit, len(task.examples)))
    prompts = []
    for place in chosen:
        others = rng.sample([at for at in range(len(task.examples)) if at != place], shots)
        prompts.append(task.prompt([task.examples[at] for at in others], task.examples[place][0]))
    found = []
    for place, (text, logprob, problem) in zip(chosen, _each(subject, prompts, shots), strict=True):
        question, reference = task.examples[place]
        found.append(_Answered(f"{place}: {question[:60]}", reference, text, math.exp(logprob), problem))
    return task, found


def _each(subject: Subject, prompts: Sequence[str], shots: int) -> list[tuple[str, float, str]]:
    """Return answer, mean log-probability and problem of each prompt; one that can't be read spoils no others."""
    stop = ("\n",) if shots else ()
    try:
        return [(*group[0], "") for group in subject.write(prompts, tokens=_TOKENS, stop=stop)]
    except GatllmError:
        found = []
        for prompt in prompts:
            try:
                found.append((*subject.write([prompt], tokens=_TOKENS, stop=stop)[0][0], ""))
            except GatllmError as error:
                found.append(("", -math.inf, error.cause))
        return found


def _bad(task: Task, found: Sequence[_Answered]) -> tuple[str, ...]:
    return (*task.left_out, *(f"{one.key}: {one.problem}" for one in found if one.problem))
