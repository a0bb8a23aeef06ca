"""Repair under guidance: the model proposes tags, the parser judges, and what does not parse yet is looked at again."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import chain

from gatllm.review.critics import Finding, compile_error, lint
from gatllm.review.edits import Edit, apply
from gatllm.review.effort import FOR_MODEL, FOR_TIDYING, Effort
from gatllm.review.ends import equal_ends
from gatllm.review.gate import Step, harm, minimal
from gatllm.review.layout import LAYOUT
from gatllm.review.lines import margin_of
from gatllm.review.names import Names
from gatllm.review.quotes import with_blanks_inside
from gatllm.review.region import Region, offset, region
from gatllm.review.rules import apply_rule, apply_rules
from gatllm.review.tagger import Tagger, Window, tokens_of, windows_of
from gatllm.review.tags import DELETE, NAMES, TAGS
from gatllm.review.typos import foreign, typos
from gatllm.tokenizers.lexicon import Lexeme, Lexicon

# What bounds the work, not the choice: more of each finds little more and takes longer.
_BEAM = 4  # states kept from round to round
_WIDE = 12  # the same, where so few found nothing
_BROAD = 160  # single edits tried on a text as it is given: all that the model finds worth a thought
_SINGLES = 16  # single edits tried on each state of a later round
_ROUNDS = 7
_HOPELESS = 8.0  # log-odds (3,000 to 1) behind the best that may be written: where its margin ends to count (`traits`)
_FURTHER = 2  # rounds at most after the first in which something parses
_SWEEPS = 2  # solutions in which what is left is looked for
_WHOLE = 20_000  # characters of a text that is looked at as a whole, where its part gave nothing
_LINES = 4_000_000  # pairs of lines compared at most

# What the choice weighs, in log-odds of an edit against keeping the token. What each is worth is measured by
# `benchmarks/review_constants.py` (`dev/LOG.md`); the reasons are rules, not figures of an experiment.
_COST = 2.0  # against any edit: in training one text in six was whole, in use nearly every token is
_LOST = 2.0  # against deleting a word, on top: deleting repairs anything, and loses what was meant
_SWEPT = 5.0  # above it (150 to 1) an edit is made though the text parses without it: nobody asked for it
_CERTAIN = 2 * _SWEPT  # what is no matter of opinion: more than the model's odds come to, less than a named form
_UNASKED = _COST + 0.1  # at most of an edit about meaning: it may come along, and no repair wins by it
_MEANT = frozenset({"self", "cls", "await", "return", "not"})  # a text that lacks them mostly parses
_COMPUTES = frozenset({"<", ">", "<=", ">=", "==", "!=", "+", "-", "*", "/", "%", "//", "**"})
_SURE = 0.0  # above it, after its cost, an edit is likelier than not and belongs to the joint proposal
_MEANS = _CERTAIN + _COST  # that a form of another language means what it means there: above every single edit
_MOVED = 1.5  # when an edit moves the parser's complaint down, for; against, when it does not: half a doubt (4 to 1)
# The parser has read nothing behind the place that it names, unless that is the beginning of a stretch.
_SEEKS_END = re.compile(
    "never closed|unterminated|unexpected EOF|expected an indented block|expected '"
    "|forgot|parenthes|meant|cannot|can't|must|follows|repeated"
)


@dataclass(frozen=True)
class Solution:
    """A repaired text: ``score`` is the sum of the log-odds of its edits, ``edits`` how many there were.

    ``steps`` are what named rules did to it on the way (`gate`).
    """

    text: str
    score: float
    edits: int
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class _State:
    text: str
    score: float = 0.0
    edits: int = 0
    rank: float = field(default=0.0, compare=False)
    steps: tuple[Step, ...] = ()


def repair(tagger: Tagger, text: str, *, most: int = 1, effort: Effort | None = None) -> list[Solution]:
    """Return texts that compile, best first (at most ``most``); none where the model's proposals do not get there.

    Each error that the compiler names is repaired inside its own part of the text, until nothing is left to name.

    Raises:
        OutOfTimeError: the clock of ``effort`` ran out.
    """
    effort = effort or Effort.of(FOR_MODEL)
    current = [_State(text)]
    for _ in range(12):  # parts with errors, at most
        done = [
            Solution(state.text, state.score, state.edits, state.steps)
            for state in current
            if effort.compile_error(state.text) is None
        ]
        if done:
            best = sorted(done, key=lambda solution: -solution.score)[:most]
            tidying = effort.apart(FOR_TIDYING)
            spared = {_least(text, solution, tidying): solution for solution in reversed(best)}
            return [Solution(text, s.score, s.edits, s.steps) for text, s in reversed(spared.items())]
        better: list[_State] = []
        for state in current:
            better += _repair_region(tagger, state, most, effort)
        if not better:
            return []
        current = sorted(better, key=lambda state: -state.score)[: max(most, 2)]
    return []


def _least(before: str, solution: Solution, effort: Effort) -> str:
    """The repair without what is not needed; where a rule had a say, only without new layout."""
    spared = with_blanks_inside(before, _spared(before, solution.text, effort))
    return spared if solution.steps or effort.is_spent else minimal(before, spared)


def _spared(before: str, after: str, effort: Effort) -> str:
    """Give back the lines of ``before`` that are the same to the parser but for what strings say.

    A repaired text is not laid out anew, and nobody asked for a docstring to be repaired: an error above that lost a
    quote makes code of its words.
    """
    old, new = before.split("\n"), after.split("\n")
    head, tail = equal_ends(old, new)
    left, right = old[head : len(old) - tail], new[head : len(new) - tail]
    if len(left) * len(right) > _LINES:  # errors that far apart: what lies between is not looked at again
        return after

    def means_the_same(lines: list[str]) -> bool:
        return effort.skeleton(whole(lines)) == effort.skeleton(after)

    def whole(lines: list[str]) -> str:
        return "\n".join([*new[:head], *lines, *old[len(old) - tail :]])

    if len(left) == len(right):  # margins of tabs that became spaces, all of them together
        given = [margin_of(one) + other.lstrip() for one, other in zip(left, right, strict=True)]
        right = given if given != right and means_the_same(given) else right
    found = _by_line(SequenceMatcher(None, left, right, autojunk=False).get_opcodes())
    for i1, i2, j1, j2 in reversed(found) if len(found) > 1 else ():  # without the only one it would not parse
        tried = [*right[:j1], *left[i1:i2], *right[j2:]]
        if not effort.is_spent and means_the_same(tried):
            right = tried
    filled = [line for line in right if line.strip() or not line or line in left]  # without lines split off for nothing
    return whole(filled) if len(filled) < len(right) and means_the_same(filled) else whole(right)


def _by_line(codes: Iterable[tuple[str, int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """The lines that differ; as many in place of as many are a difference each."""
    found: list[tuple[int, int, int, int]] = []
    for kind, i1, i2, j1, j2 in codes:
        if kind == "replace" and i2 - i1 == j2 - j1:
            found += [(i1 + n, i1 + n + 1, j1 + n, j1 + n + 1) for n in range(i2 - i1)]
        elif kind != "equal":
            found.append((i1, i2, j1, j2))
    return found


def _repair_region(tagger: Tagger, state: _State, most: int, effort: Effort) -> list[_State]:
    """Repair the part of the text around the first error."""
    text = state.text
    error = effort.compile_error(text)
    if error is None:
        return [state]
    text, error, steps = apply_rules(text, error, effort)
    done = len(steps)
    state = _State(text, state.score + done * _MEANS, state.edits + done, steps=(*state.steps, *steps))
    if error is None:
        return [state]
    part, whole = region(text, error), Region(0, len(text))
    parts = [whole]
    if effort.compile_error(text[part.start : part.end]) is not None:  # what is wrong is inside it
        # A line that lost its indentation looks like the beginning of a statement: then the whole text.
        parts = [part, whole] if part != whole and len(text) <= _WHOLE else [part]
    for width in (_BEAM, _WIDE):
        for one in parts:
            if not effort.is_spent and (out := _mend_inside(tagger, state, one, most, width, effort)):
                return out
    return []


def _mend_inside(tagger: Tagger, state: _State, part: Region, most: int, width: int, effort: Effort) -> list[_State]:
    """Repair a part of the text; ``width`` is that of the beam."""
    text = state.text
    inside = text[part.start : part.end]
    before = effort.syntax_error(inside) or effort.compile_error(inside)
    if before is None:
        return [state]
    out = []
    for found in _beam(tagger, inside, before, most + 2, width, effort):
        whole = text[: part.start] + found.text + text[part.end :]
        after = effort.compile_error(whole)
        # What is left must lie below this part, else nothing was gained.
        if after is None or offset(whole, after.line, 1) >= part.start + len(found.text):
            both = (*state.steps, *found.steps)
            out.append(_State(whole, state.score + found.score, state.edits + found.edits, steps=both))
    return out


def _to_write(text: str, one: _State) -> float:
    """The score of what parses, if it passes the gate: beside one that does not, the right one is no worse."""
    return -math.inf if harm(text, one.text, one.steps) else one.score


def _beam(tagger: Tagger, text: str, error: Finding, most: int, width: int, effort: Effort) -> list[_State]:
    """Rounds of proposals, until no unfinished state is likelier than the best that parses."""
    states, seen = [_State(text)], {text}
    errors = {text: error}
    solved: list[_State] = []
    further, written = 0, -math.inf  # the best that may be written
    for depth in range(_ROUNDS):
        tokens = [tokens_of(tagger.lexicon, state.text) for state in states]
        windows = [window(t, s.text, errors[s.text], tagger.context) for t, s in zip(tokens, states, strict=True)]
        waiting: list[_State] = []
        for state, cut, scores in zip(states, tokens, effort.score(tagger, windows), strict=True):
            at = offset(state.text, errors[state.text].line, errors[state.text].column)
            reach = len(state.text) if _SEEKS_END.search(errors[state.text].message) else at
            left, wins = (_BROAD if depth == 0 else _SINGLES), 0
            translated = apply_rule(state.text, errors[state.text], effort)
            if translated is not None and translated[0].after not in seen:
                steps = (*state.steps, translated[0])
                # Where nothing was wrong with the margins it was the model's edit that lost one: no merit of it.
                lost = state.edits > len(state.steps) and error.code == "SyntaxError"
                worth = 0.0 if lost and translated[0].rule in LAYOUT else _MEANS
                follower = _State(translated[0].after, state.score + worth, state.edits + 1, steps=steps)
                seen.add(follower.text)
                if translated[1] is None:
                    solved.append(follower)
                    written = max(written, _to_write(text, follower))
                else:
                    errors[follower.text] = translated[1]
                    rank = follower.score + _MOVED
                    waiting.append(_State(follower.text, follower.score, follower.edits, rank, follower.steps))
            likely = _modest(_by_hand(scores.edits, cut), cut, state.text)
            for gains, edits in chain(foreign(cut, at), _proposals(likely, cut, reach, tagger.lexicon)):
                tried = apply(state.text, cut, edits)
                if tried in seen:
                    continue
                hopeless = state.score + sum(gains) < written - _HOPELESS
                if left <= 0 or wins > most or hopeless or effort.is_spent:
                    break
                left -= 1
                seen.add(tried)
                problem = effort.compile_error(tried)
                follower = _State(tried, state.score + sum(gains), state.edits + len(edits), steps=state.steps)
                if problem is None:
                    solved.append(_needed(state, cut, edits, gains, effort) if len(edits) > 1 else follower)
                    written, wins = max(written, _to_write(text, solved[-1])), wins + 1
                elif len(waiting) < _SINGLES * len(states):
                    errors[tried] = problem
                    moved = _moved(errors[state.text], problem, tried, cut[edits[0].token].start)
                    rank = follower.score + (_MOVED if moved else -_MOVED)
                    waiting.append(_State(tried, follower.score, follower.edits, rank, follower.steps))
        states = sorted(waiting, key=lambda state: -state.rank)[:width]
        best = max((state.score for state in solved), default=-math.inf)
        further += bool(solved)
        if effort.is_spent or further > _FURTHER or not any(state.score > best + _MOVED for state in states):
            break
    kept = sorted(solved, key=lambda state: -state.score)[:most]
    # A sweep asks the model again, which is most of what a repair costs: only for what is likely to be taken.
    return [_sweep(tagger, state, error, effort) if rank < _SWEEPS else state for rank, state in enumerate(kept)]


def _needed(state: _State, tokens: list[Lexeme], edits: list[Edit], gains: list[float], effort: Effort) -> _State:
    """Leave out of edits made together those that it parses without, the least likely first."""
    kept = sorted(zip(gains, edits, strict=True), key=lambda pair: -pair[0])
    asked = [pair for pair in kept if pair[0] > _CERTAIN or not _unasked(pair[1], tokens)]
    if asked and effort.compile_error(apply(state.text, tokens, [edit for _, edit in asked])) is None:
        kept = asked  # together: a few lines without their tabs would not parse
    for pair in kept[::-1]:
        rest = [other for other in kept if other is not pair]
        spare = rest and pair[0] < _SWEPT
        if spare and effort.compile_error(apply(state.text, tokens, [edit for _, edit in rest])) is None:
            kept = rest
    text = apply(state.text, tokens, [edit for _, edit in kept])
    return _State(text, state.score + sum(gain for gain, _ in kept), state.edits + len(kept), steps=state.steps)


def _sweep(tagger: Tagger, state: _State, error: Finding, effort: Effort) -> _State:
    """Repair what is left where the model is sure: of several errors, some hide in what parses."""
    tokens = tokens_of(tagger.lexicon, state.text)
    (scores,) = effort.score(tagger, [window(tokens, state.text, error, tagger.context)])
    sure = [(value, edit) for value, edit in scores.edits if value > _SWEPT and not _unasked(edit, tokens)]
    for gains, edits in _proposals(sure, tokens, len(state.text), tagger.lexicon):
        tried = apply(state.text, tokens, edits)
        if tried != state.text and effort.compile_error(tried) is None:
            return _State(tried, state.score + sum(gains), state.edits + len(edits), steps=state.steps)
    return state


def _by_hand(scored: list[tuple[float, Edit]], tokens: list[Lexeme]) -> list[tuple[float, Edit]]:
    """Raise the odds of edits that undo a slip of the hand; those that the model did not think of come last."""
    undone = typos(tokens)
    known = {edit[:2] for _, edit in scored}
    least = min((value for value, _ in scored), default=0.0)
    unthought = [(least, Edit(*place)) for place in undone if place not in known]
    return [(value + undone.get(edit[:2], 0.0), edit) for value, edit in [*scored, *unthought]]


def _modest(scored: list[tuple[float, Edit]], tokens: list[Lexeme], text: str) -> list[tuple[float, Edit]]:
    """Lower the odds of edits that nobody asked for, those of a text's tabs below all others.

    The model has seen tabs mostly where they were the error; a text that is indented by nothing else means them.
    """
    tabbed = "\n\t" in text and "\n " not in text
    return [
        (-1.0 if tabbed and "\t" in tokens[edit.token].text else _UNASKED if _about_meaning(edit) else value, edit)
        if value > _UNASKED
        else (value, edit)
        for value, edit in scored
    ]


def _about_meaning(edit: Edit) -> bool:
    return TAGS[edit.tag].action in ("rename", "more", "less", "spaces", "tabs")


def _unasked(edit: Edit, tokens: list[Lexeme]) -> bool:
    """Tell whether the edit is about what is meant, or about tabs: nobody asked for it if the text parses without."""
    tag = TAGS[edit.tag]
    if tag.action == "insert":
        return tag.text in _MEANT
    if tag.action == "replace":
        word = tokens[edit.token].text
        return (tag.text in _COMPUTES and word in _COMPUTES) or (tag.text in NAMES and word.isidentifier())
    return tag.action == "respell" or _about_meaning(edit)


def _moved(before: Finding, after: Finding, text: str, edited: int) -> bool:
    """Tell whether the parser now gets further: its complaint is further down, or above the edit, where it was hidden.

    The tokenizer complains of brackets and quotes before the parser sees anything at all.
    """
    if (after.line, after.column) > (before.line, before.column):
        return True
    return offset(text, after.line, after.column) < edited


def _proposals(
    scored: list[tuple[float, Edit]], tokens: list[Lexeme], reach: int, lexicon: Lexicon
) -> Iterator[tuple[list[float], list[Edit]]]:
    """Yield (log-odds, edits): all likely edits together, then one after the other, those within reach."""
    names = Names(tokens, lexicon.subwords)
    scored = sorted(((value - _COST - _loss(edit, tokens), edit) for value, edit in scored), key=lambda pair: -pair[0])
    sure: dict[int, tuple[float, Edit]] = {}
    for value, edit in scored:
        if value > _SURE and edit.token not in sure:
            sure[edit.token] = (value, edit)
    if len(sure) > 1:
        filled = [(value, fill[0]) for value, edit in sure.values() if (fill := _filled(edit, names, 1))]
        yield [value for value, _ in filled], [edit for _, edit in filled]
    for value, edit in scored:
        if tokens[edit.token].start <= reach:
            for rank, filled_edit in enumerate(_filled(edit, names, 3)):
                yield [value - 0.7 * rank], [filled_edit]


def _loss(edit: Edit, tokens: list[Lexeme]) -> float:
    """What it costs to delete a word that no neighbour repeats: repairing by deleting loses what was meant."""
    word = tokens[edit.token].text
    if edit.tag != DELETE or not (word[:1].isalnum() or word[:1] == "_"):
        return 0.0
    near = [token.text for token in tokens[max(edit.token - 2, 0) : edit.token + 3]]
    return _LOST if near.count(word) < 2 else 0.0


def _filled(edit: Edit, names: Names, most: int) -> list[Edit]:
    """The edit with each word that its tag may mean."""
    return [Edit(edit.token, edit.tag, word) for word in names.candidates(TAGS[edit.tag], edit.token, most)]


def window(tokens: list[Lexeme], text: str, error: Finding | None, context: int) -> Window:
    """The ``context`` tokens around the place of ``error``, more of them before it than after."""
    if len(tokens) <= context:
        return Window(tokens, 0)
    at = offset(text, error.line, error.column) if error else 0
    here = next((number for number, token in enumerate(tokens) if token.start >= at), len(tokens))
    start = max(min(here - context * 5 // 8, len(tokens) - context), 0)
    while start > 0 and "\n" not in tokens[start].text:
        start -= 1
    return Window(tokens[start : start + context], start)


def improve(tagger: Tagger, text: str, *, sure: float = 1.0, most: int = 5) -> Solution | None:
    """Change a text that compiles where the model is sure; None where it is sure of nothing that keeps it sound.

    An edit counts when the result compiles, ruff finds no more in it, and the model finds it less fake than before.
    """
    (findings,) = lint([text])
    best = Solution(text, 0.0, 0)
    fake = _fakeness(tagger, text)
    for _ in range(most):
        tokens = tokens_of(tagger.lexicon, best.text)
        scored = [
            pair for score in tagger.score(windows_of(tokens, tagger.context)) for pair in score.edits if pair[0] > sure
        ]
        likely = sorted(scored, key=lambda pair: -pair[0])[:8]
        tried = [
            Solution(apply(best.text, tokens, edits), best.score + sum(gains), best.edits + 1)
            for gains, edits in _proposals(likely, tokens, len(best.text), tagger.lexicon)
            if len(edits) == 1
        ]
        sound = [solution for solution in tried if solution.text != best.text and compile_error(solution.text) is None]
        kept = [s for s, found in zip(sound, lint([s.text for s in sound]), strict=True) if len(found) <= len(findings)]
        better = [(value, s) for s in kept if (value := _fakeness(tagger, s.text)) < fake]
        if not better:
            break
        fake, best = min(better, key=lambda pair: pair[0])
    return best if best.edits else None


def _fakeness(tagger: Tagger, text: str) -> float:
    windows = windows_of(tokens_of(tagger.lexicon, text), tagger.context)
    return max(score.fake for score in tagger.score(windows, edits=False))
