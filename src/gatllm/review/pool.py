"""All repairs of a text that anyone finds, in one pool: rules and the search first, then the discriminator."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from gatllm.review.critics import Finding, compile_error, lint
from gatllm.review.effort import FOR_MODEL, FOR_RULES, FOR_SEARCH, Effort
from gatllm.review.gate import Step, harm, minimal
from gatllm.review.probability import Intention
from gatllm.review.python2 import is_python2, rest_of_python2
from gatllm.review.repair import Solution, repair
from gatllm.review.rules import apply_rules
from gatllm.review.search import search
from gatllm.review.tagger import Tagger
from gatllm.review.traits import Found

_CLOSE = 2.0  # log-odds (7 to 1) within which the model's own order is no order: ruff has a say there
_WORD = re.compile(r"\w+")
# What the grammar reads as far as here, and forbids: a value is missing, or something cannot be a target. No bracket or
# mark put elsewhere is an answer to that.
_BEYOND_MARKS = re.compile(
    r"only single target|expression expected after dictionary key|expected default value|cannot have default value"
    r"|cannot use a starred expression in a dict"
    r"|cannot (?:assign to|delete) (?:f-string|literal|function call|comparison|expression)"
    r"|f-string: (?:empty expression|expression required|valid expression required|invalid conversion|cannot use)"
)
_TWO_WIDTHS = re.compile("inconsistent use of tabs")  # where a tab's width matters and no rule can tell it
_FINDING = 1.5  # log-odds that one finding of ruff is worth: two of them outweigh `_CLOSE`, one alone does not


def gather(
    text: str, error: Finding, tagger: Tagger | None, intention: Intention | None, *, most: int, effort: Effort
) -> tuple[list[Found], bool]:
    """Return repairs of ``text``, no two with the same tree, and whether the discriminator was asked.

    Args:
        text: what does not compile.
        error: what the compiler says of it.
        tagger: the discriminator; without one rules and search are all there is.
        intention: tells where rules and search are so sure that the discriminator need not be asked; None: always ask.
        most: repairs of the discriminator at most.
        effort: the clock; rules, search and discriminator have an allowance of work each.

    Raises:
        OutOfTimeError: the clock ran out.
    """
    found, asked = _gathered(text, error, tagger, intention, most=most, effort=effort)
    found = closed_first(text, error, found)
    if _BEYOND_MARKS.search(error.message):
        said = f"{error.message}: no mark mends that"
        found = [one if one.by == {"rule"} else replace(one, harm=(*one.harm, said)) for one in found]
    if _TWO_WIDTHS.search(error.message):
        said = "the margins say one thing with narrow tabs and another with wide ones"
        found = [one if "rule" in one.by else replace(one, harm=(*one.harm, said)) for one in found]
    return found, asked


def _gathered(
    text: str, error: Finding, tagger: Tagger | None, intention: Intention | None, *, most: int, effort: Effort
) -> tuple[list[Found], bool]:
    given, begun = _begun(text)
    first = list(_by_search(text, given, begun, effort))
    if tagger is None:
        return first, False
    if intention is not None and most == 1 and first and not first[0].harm and len(first) == 1:
        (sure,) = intention.of(text, error, first, asked=False)
        if sure >= intention.clear or first[0].by == {"rule"}:
            return first, False
    return _merged([*first, *_by_model(text, given, begun, tagger, max(most, POOL), effort)]), True


def closed_first(text: str, error: Finding, found: list[Found]) -> list[Found]:
    """Leave out what takes an opening bracket away where another repair closes it."""
    closes = [one for one in found if not _opens_less(text, one.text)]
    never = "never closed" in error.message and any(not one.harm for one in closes)
    return closes if never else found


def _opens_less(before: str, after: str) -> bool:
    """Tell whether a repair took an opening bracket away: `append((a, b)` is closed rather than opened less."""
    return any(after.count(opening) < before.count(opening) for opening in "([{")


POOL = 6  # repairs of the discriminator that are looked for, so that one of them may pass the gate


def _by_search(text: str, given: str, begun: Sequence[Step], effort: Effort) -> Iterable[Found]:
    plain, error, steps = apply_rules(given, compile_error(given), effort.apart(FOR_RULES))
    steps = (*begun, *steps)
    if error is None:
        yield Found(plain, None, frozenset({"rule"}), harm(text, plain, steps), steps)
        return
    fixed = search(plain, effort=effort.apart(FOR_SEARCH))
    if fixed is not None:
        fixed = fixed if steps else minimal(text, fixed)
        yield Found(fixed, None, frozenset({"search"}), harm(text, fixed, steps), steps)


def _by_model(
    text: str, given: str, begun: Sequence[Step], tagger: Tagger, most: int, effort: Effort
) -> Iterable[Found]:
    if begun and compile_error(given) is None:
        return
    for one in _ranked(given, repair(tagger, given, most=most, effort=effort.apart(FOR_MODEL))):
        steps = (*begun, *one.steps)
        by = frozenset({"rule"} if one.edits == len(one.steps) else {"model"})
        yield Found(one.text, one.score, by, harm(text, one.text, steps), steps)


def _merged(found: Iterable[Found]) -> list[Found]:
    """Repairs with the same tree are one: who found it is put together, the first text is kept."""
    out: dict[tuple[object, ...], Found] = {}
    for one in found:
        known = out.get(one.tree)
        if known is None:
            out[one.tree] = one
            continue
        score = max((found.score for found in (known, one) if found.score is not None), default=None)
        better = known if not known.harm or one.harm else one
        out[one.tree] = Found(better.text, score, known.by | one.by, better.harm, better.steps)
    return list(out.values())


def _begun(text: str) -> tuple[str, tuple[Step, ...]]:
    """What is done to a whole text before any error of it is looked at, and the step that it was."""
    given = rest_of_python2(text) if is_python2(text) else text
    return given, (Step(text, given, "python-two"),) if given != text else ()


def _ranked(before: str, solutions: list[Solution]) -> list[Solution]:
    """Best first: the model's log-odds, less one for each finding of ruff more than the best has."""
    near = [solution for solution in solutions if solution.score > solutions[0].score - _CLOSE]
    if len(near) < 2:
        return solutions
    words = set(_WORD.findall(before))
    counts = [_blamed(findings, words) for findings in lint([solution.text for solution in near])]
    order = sorted(range(len(near)), key=lambda number: counts[number] * _FINDING - near[number].score)
    return [near[number] for number in order] + solutions[len(near) :]


def _blamed(findings: tuple[Finding, ...], words: set[str]) -> int:
    """How many findings a repair has to answer for: not for names without a definition that it was given."""
    return sum(found.code != "F821" or not words.issuperset(_WORD.findall(found.message)[-1:]) for found in findings)
