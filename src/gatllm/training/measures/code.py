"""Code by what it does: tests passed by values, a missing line, a broken function."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import TypeVar

from gatllm.data import corrupt, functions
from gatllm.data import texts as read_texts
from gatllm.errors import GatllmError, UsageError
from gatllm.review import same_tree
from gatllm.training.fewshot import wilson
from gatllm.training.measures.measured import Item, Measured, fraction_of
from gatllm.training.measures.subject import Subject
from gatllm.training.objectives.data_tables import PolicyTable
from gatllm.training.objectives.questions import load_questions
from gatllm.training.rewards import Asked
from gatllm.training.rewards.code import by_tests, code_in

Solved = tuple[str, str]  # a question and its answer
_T = TypeVar("_T")

_TOKENS = 300
_SAMPLES = 10
_TEMPERATURE = 0.8
_LONGEST = 1200  # characters of a function
_FILL = "Which line of Python belongs in place of <missing>? Write that line alone.\n\n```python\n{code}\n```"
_REPAIR = "Repair this function. Change as little as possible.\n\n```python\n{code}\n```"


def pass_at(k: int, samples: int, right: int) -> float:
    """Return the unbiased estimate of the chance that one of ``k`` answers is right (Chen et al. 2021)."""
    if samples - right < k:
        return 1.0
    return 1.0 - reduce(lambda product, n: product * (1 - k / n), range(samples - right + 1, samples + 1), 1.0)


def passes(subject: Subject, source: str, limit: int, shots: int, seed: int) -> Measured:
    """Return pass@k of ten answers to each task, judged by values in the sandbox; intervals are over tasks."""
    table = PolicyTable(source=source, reward="tests", validation_limit=1 << 30)
    questions = load_questions(table, seed)
    everything = {one.key: one for one in [*questions.held_out, *_all(table, seed)]}
    rng = random.Random(seed)
    chosen = rng.sample(sorted(everything), min(limit, len(everything)))
    solved = {key: (one.prompt, f"```python\n{one.reference.strip()}\n```")
              for key, one in everything.items() if one.reference}  # fmt: skip
    bad = list(questions.left_out)
    items, rights = [], []
    for key in chosen:
        one = everything[key]
        prompt = _after(_others(solved, key, shots, rng), one.prompt)
        try:
            (group,) = subject.write([prompt], tokens=_TOKENS, n=_SAMPLES, temperature=_TEMPERATURE)
        except GatllmError as error:
            bad.append(f"{key}: {error.cause}")
            group = [("", 0.0)] * _SAMPLES
        right = sum(verdict.reward == 1 for verdict in by_tests([one] * len(group), [text for text, _ in group]))
        rights.append(right)
        items.append(Item(key, right / _SAMPLES, group[0][0]))
    numbers = {f"pass@{k}": fraction_of([pass_at(k, _SAMPLES, right) for right in rights]) for k in (1, 5, 10)}
    return Measured("code", numbers, tuple(items), tuple(bad))


def _all(table: PolicyTable, seed: int) -> list[Asked]:
    whole = load_questions(table.model_copy(update={"prompts": 1 << 30}), seed)
    return list(whole.draw(0, 0))


def infilling(subject: Subject, source: str, limit: int, shots: int, seed: int) -> Measured:
    """Return how many missing lines of functions are written exactly, white space aside."""
    rng = random.Random(seed)
    gaps = [_without_a_line(text, rng) for text in _functions(source, limit + shots, rng)]
    examples, asked = _apart([gap for gap in gaps if gap is not None], shots)
    items, bad, right = [], [], 0
    for place, (question, wanted) in enumerate(asked):
        try:
            ((said, _),) = subject.write([_after(examples, question)], tokens=64)[0]
        except GatllmError as error:
            bad.append(f"function {place}: {error.cause}")
            said = ""
        wrote = next((line.strip() for line in code_in(said).splitlines() if line.strip()), "")
        good = " ".join(wrote.split()) == " ".join(wanted.split())
        right += good
        items.append(Item(f"function {place}: {wanted[:60]}", float(good), wrote))
    return _counted("infilling", right, items, bad, source)


def _without_a_line(text: str, rng: random.Random) -> Solved | None:
    """Return the question for a line of a function, and that line; None where none is worth asking for."""
    lines = text.rstrip("\n").split("\n")
    inside = [
        at for at in range(1, len(lines)) if len(lines[at].strip()) > 3 and not lines[at].strip().startswith(("#", '"'))
    ]
    if not inside:
        return None
    at = rng.choice(inside)
    gap = lines[at][: len(lines[at]) - len(lines[at].lstrip())] + "<missing>"
    return _FILL.format(code="\n".join([*lines[:at], gap, *lines[at + 1 :]])), lines[at].strip()


def repair(subject: Subject, source: str, limit: int, shots: int, seed: int) -> Measured:
    """Return how many functions with one error come back with the tree that they had."""
    rng = random.Random(seed)
    pairs = [(corrupt(text, rng, 1), text) for text in _functions(source, limit + shots, rng)]
    broken_ones = [(broken, text) for broken, text in pairs if broken is not None]
    shown, asked = _apart(broken_ones, shots)
    examples = [(_REPAIR.format(code=one.broken.strip()), f"```python\n{text.strip()}\n```") for one, text in shown]
    items, bad, right = [], [], 0
    for place, (broken, text) in enumerate(asked):
        question = _REPAIR.format(code=broken.broken.strip())
        try:
            ((said, _),) = subject.write([_after(examples, question)], tokens=_TOKENS)[0]
        except GatllmError as error:
            bad.append(f"function {place}: {error.cause}")
            said = ""
        good = same_tree(code_in(said), text)
        right += good
        items.append(Item(f"function {place}: {broken.families[0]}", float(good), said))
    return _counted("repair", right, items, bad, source)


def _after(solved: Sequence[Solved], question: str) -> str:
    """Return a question behind solved examples of its kind."""
    return "".join(f"{asked}\n\n{answer}\n\n---\n\n" for asked, answer in solved) + question


def _others(solved: Mapping[str, Solved], key: str, shots: int, rng: random.Random) -> list[Solved]:
    """Return solved examples that are not the question itself.

    Raises:
        UsageError: the file has too few tasks with a solution.
    """
    others = sorted(solved.keys() - {key})
    if len(others) < shots:
        raise UsageError(f"only {len(others)} other tasks have a solution to show", f"--shots {len(others)} at most")
    return [solved[one] for one in rng.sample(others, shots)]


def _apart(found: Sequence[_T], shots: int) -> tuple[Sequence[_T], Sequence[_T]]:
    """Return the examples that are shown and those that are asked.

    Raises:
        UsageError: nothing is left to ask.
    """
    if shots and len(found) <= shots:
        raise UsageError(f"there are {len(found)} functions to ask about", f"give more than {shots}")
    return found[:shots], found[shots:]


def _functions(source: str, limit: int, rng: random.Random) -> list[str]:
    if not Path(source).exists() and source != "stdlib":
        raise GatllmError(f"there is no source {source}", "name Python code, a dataset, or stdlib")
    found = [one.text for text in read_texts(source) for one in functions(text) if 60 <= len(one.text) <= _LONGEST]
    return rng.sample(found, min(limit, len(found)))


def _counted(name: str, right: int, items: list[Item], bad: list[str], source: str) -> Measured:
    if not items:
        raise GatllmError(f"{source} has no function to ask about", "name Python code with functions")
    return Measured(name, {"exact": (right / len(items), *wilson(right, len(items)))}, tuple(items), tuple(bad))
