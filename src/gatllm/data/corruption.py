"""Good code into pairs of broken and good code, graded by difficulty.

An error is noise until something tells it from the original: a result with the same syntax tree is thrown away, and
among several errors one of a syntactic family that would parse if it were the only one. What still parses may still
pass its tests (measured: 14 to 24 % for integers and operators), so ``syntactic`` says which kind of label it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate, pairwise
from random import Random

from gatllm.data.code import Code, Edit, analyse, apply, invert
from gatllm.data.families import FAMILIES
from gatllm.errors import UsageError

MAX_LEVEL = 5
_TRIES = 12
_NEAR = 6  # lines between the errors of the hard levels, at most


@dataclass(frozen=True, slots=True)
class _Level:
    errors: tuple[int, int]  # fewest and most
    semantic: float  # fraction of errors that don't break the grammar
    near: bool  # errors lie close together, so that repairing one hides behind the other
    draws: int = 1  # of so many results the one whose first report is farthest from any error


_LEVELS = {
    1: _Level((1, 1), 0.0, near=False),
    2: _Level((1, 1), 0.4, near=False),
    3: _Level((2, 2), 0.4, near=False),
    4: _Level((3, 3), 0.5, near=True),
    5: _Level((4, 6), 0.5, near=True, draws=2),
}


@dataclass(frozen=True, slots=True)
class Corruption:
    """Broken code and how to repair it.

    ``edits`` (start, end, replacement), ascending and in characters of ``broken``, give the original; ``spans`` are
    where they lie. ``families`` names the errors in order of place. ``syntactic``: ``broken`` does not parse; then
    ``message`` is what the parser says and ``distance`` how many lines from the nearest error it says so.
    """

    broken: str
    edits: tuple[tuple[int, int, str], ...]
    spans: tuple[tuple[int, int], ...]
    families: tuple[str, ...]
    syntactic: bool
    level: int
    message: str = ""
    distance: int = 0

    def repair(self) -> str:
        """Return the original."""
        return apply(self.broken, [Edit(*edit) for edit in self.edits])


@lru_cache(maxsize=64)
def _pool(families: tuple[str, ...] | None, syntactic: bool) -> tuple[list[str], list[float]]:
    names = list(families) if families is not None else [n for n, f in FAMILIES.items() if f.syntactic == syntactic]
    if unknown := [name for name in names if name not in FAMILIES]:
        raise UsageError(f"no corruption family {', '.join(unknown)}", f"choose from {', '.join(FAMILIES)}")
    if not names:
        raise UsageError("no corruption family was named", f"choose from {', '.join(FAMILIES)}")
    return names, list(accumulate(FAMILIES[name].weight for name in names))


def _free(edits: list[Edit], taken: list[Edit]) -> bool:
    """Tell whether ``edits`` stay at least one character away from each other's and from those already made."""
    return all(edit.end < other.start or other.end < edit.start for edit in edits for other in taken)


def _draw(code: Code, rng: Random, level: _Level, families: tuple[str, ...] | None) -> list[tuple[list[Edit], str]]:
    """Return the errors to make: each its edits and family."""
    wanted = rng.randint(*level.errors)
    errors: list[tuple[list[Edit], str]] = []
    taken: list[Edit] = []
    for _ in range(_TRIES + 8 * wanted):
        if len(errors) == wanted:
            break
        grammar = rng.random() >= level.semantic or not code.language.semantic
        names, weights = _pool(families, grammar)
        name = rng.choices(names, cum_weights=weights)[0]
        edits = FAMILIES[name].operator(code, rng)
        if not edits or any(code.text[edit.start : edit.end] == edit.text for edit in edits):
            continue
        if taken and (not _free(edits, taken) or (level.near and not _is_near(code, edits, taken))):
            continue
        if wanted > 1 and FAMILIES[name].syntactic and _parses(code, edits):
            continue  # nobody could know of it
        errors.append((edits, name))
        taken += edits
    return errors if len(errors) >= level.errors[0] else []


def _parses(code: Code, edits: list[Edit]) -> bool:
    return code.language.parse(apply(code.text, sorted(edits)))[0] is not None


def _is_near(code: Code, edits: list[Edit], taken: list[Edit]) -> bool:
    line = code.line_of(edits[0].start)
    return min(abs(code.line_of(edit.start) - line) for edit in taken) <= _NEAR


def corrupt(
    text: str,
    rng: Random,
    level: int = 1,
    families: Sequence[str] | None = None,
    *,
    errors: tuple[int, int] | None = None,
    language: str = "python",
) -> Corruption | None:
    """Return ``text`` with errors, or None when it does not parse or offers no place for them.

    Args:
        text: good code: a module or a dedented function.
        rng: where chance comes from; the same state gives the same result.
        level: 1 (one error against the grammar) to 5 (four to six, half against the meaning, close together, and
            reported far off).
        families: only these (see `families.FAMILIES`); None: all that suit the level.
        errors: fewest and most errors; None: as many as the level has.
        language: what ``text`` is written in; other languages than Python know errors against the grammar only.

    Raises:
        UsageError: there is no such level or family.
    """
    if level not in _LEVELS:
        raise UsageError(f"no corruption level {level}", f"take 1 to {MAX_LEVEL}")
    chosen = tuple(families) if families is not None else None
    code = analyse(text, language)
    if code.tree is None:
        return None
    results: list[Corruption] = []
    rules = replace(_LEVELS[level], errors=errors) if errors else _LEVELS[level]
    for _ in range(_TRIES):
        made = _draw(code, rng, rules, chosen)
        if made and (result := _checked(code, made, level)):
            results.append(result)
            if len(results) == rules.draws:
                break
    return max(results, key=lambda one: one.distance, default=None)


def _checked(code: Code, errors: list[tuple[list[Edit], str]], level: int) -> Corruption | None:
    made = sorted(edit for edits, _ in errors for edit in edits)
    if any(first.end > second.start for first, second in pairwise(made)):
        return None
    broken = apply(code.text, made)
    tree, message, line = code.language.parse(broken)
    if tree is not None and code.tree is not None and code.language.same(tree, code.tree):
        return None
    back = invert(code.text, made)
    spans = tuple((edit.start, edit.end) for edit in back)
    distance = 0
    if tree is None and line:
        distance = min(abs(broken.count("\n", 0, start) + 1 - line) for start, _ in spans)
    names = tuple(name for _, name in sorted((edits[0].start, name) for edits, name in errors))
    return Corruption(
        broken, tuple((e.start, e.end, e.text) for e in back), spans, names, tree is None, level, message, distance
    )
