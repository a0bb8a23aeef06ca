"""Looks for code that does what the prompt states: more proposals, run in the sandbox, the best of those that pass.

The first proposal is run. Where it passes, that is all. Where it fails, the generator gets its error report for a
revision, and more proposals are drawn beside it; of those that pass, one of the largest functional cluster is taken:
candidates that compute the same on generated inputs (Li et al., "AlphaCode", Science 2022; a small generator's own
tests are worse judges than its agreement with itself). Where none passes, the first proposal stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gatllm.answering.agreement import agreeing
from gatllm.answering.answer import CodeReview
from gatllm.answering.blocks import find_code
from gatllm.answering.checking import CodeReviewer, as_round
from gatllm.answering.inputs import vary
from gatllm.answering.judging import judge_code
from gatllm.answering.specification import Specification
from gatllm.answering.trial import CodeRunner, clusters, outputs
from gatllm.models import ContextOverflowError

if TYPE_CHECKING:
    from gatllm.models import ChatGenerator, ChatOptions, Completion, Message

TEMPERATURE, TOP_P = 0.8, 0.95


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of further proposals brought: each proposal's text, its review and its trial."""

    number: int
    complaint: str
    completions: tuple[Completion, ...]
    reviews: tuple[CodeReview, ...]
    further: bool = False  # whether more were drawn beside the revision


@dataclass(frozen=True, slots=True)
class Search:
    """How proposals for one prompt are judged and found.

    Args:
        generator: who proposes.
        reviewer: who checks and repairs each proposal.
        runner: the sandbox; None: nothing is run.
        specification: what the prompt states.
        options: how the first proposal was generated.
        rounds: how often more proposals are drawn.
        breadth: how many are drawn in a round.
    """

    generator: ChatGenerator
    reviewer: CodeReviewer
    runner: CodeRunner | None
    specification: Specification
    options: ChatOptions
    rounds: int = 2
    breadth: int = 4

    @property
    def can_judge(self) -> bool:
        """Whether a proposal can be run against what the prompt states, and others drawn where it fails."""
        return self.runner is not None and bool(self.specification.examples) and self.rounds * self.breadth > 0

    def judge(self, code: str, language: str = "python") -> CodeReview:
        """Review a proposal and run it; see `judge_code`."""
        return judge_code(code, self.reviewer, self.specification, self.runner, language=language)

    def improve(
        self,
        first: CodeReview,
        messages: Sequence[Message],
        *,
        further: Sequence[Message] | None = None,
        compare: bool = False,
    ) -> Iterator[Round | CodeReview]:
        """Yield each round of further proposals, and last the best review (``first`` where nothing is better).

        ``further``: other messages for what is drawn where the first proposal fails.
        ``compare``: where nothing is stated and nothing is wrong, compare it with further proposals.
        """
        best, seen = first, [first]
        if compare and self._is_comparable(first):
            try:
                completions = self._drawn(messages, 1)
            except ContextOverflowError:
                yield first
                return
            reviews = list(self._reviews(completions, 1))
            yield Round(1, "", tuple(completions), tuple(reviews))
            yield self._among(first, reviews)
            return
        for number in range(1, self.rounds + 1):
            complaint = _complaint(best)
            if not complaint:
                break
            try:
                found = self._round(number, complaint, best, messages, further or messages)
            except ContextOverflowError:
                break  # there was room for the answer, not for asking again: what is there stays
            yield found
            seen += found.reviews
            best = self._best(first, seen)
        if best is not first:
            best = as_round(best, first.proposed, best.rounds)
        yield replace(best, proposals=len(seen)) if len(seen) > 1 else best

    def _round(
        self, number: int, complaint: str, best: CodeReview, messages: Sequence[Message], further: Sequence[Message]
    ) -> Round:
        asked: list[Message] = [
            *messages,
            {"role": "assistant", "content": f"```python\n{best.code}```"},
            {"role": "user", "content": f"{complaint}\nGive the corrected code only."},
        ]
        if best.trial is None or best.trial.outcome != "failed":
            completions = self.generator.generate([asked], self.options)
        else:
            # One batch: a small generator seldom corrects itself, and eight rows cost little more than one.
            completions = self._drawn(further, number, asked)
        reviews = list(self._reviews(completions, number))
        return Round(number, complaint, tuple(completions), tuple(reviews), len(completions) > 1)

    def _drawn(self, messages: Sequence[Message], number: int, *also: list[Message]) -> list[Completion]:
        """Return ``breadth`` further proposals, other ones in each round, and answers to ``also``."""
        drawn = replace(
            self.options,
            temperature=self.options.temperature or TEMPERATURE,
            top_p=min(self.options.top_p, TOP_P),
            seed=self.options.seed + 1 + number * (self.breadth + 1),
        )
        return self.generator.generate([*[messages] * self.breadth, *also], drawn)

    def _is_comparable(self, first: CodeReview) -> bool:
        nothing = first.trial is not None and first.trial.outcome == "nothing stated"
        return nothing and self.runner is not None and self.rounds * self.breadth > 0 and not _complaint(first)

    def _among(self, first: CodeReview, others: Sequence[CodeReview]) -> CodeReview:
        """Return the proposal that most of all are in agreement with, where that is clear; else the first."""
        sound = [review for review in others if not _errors(review)]
        if self.runner is None or len(sound) < 2:
            return first
        groups = agreeing([first.code, *(review.code for review in sound)], self.specification.function, self.runner)
        if not groups:
            return replace(first, proposals=len(others) + 1)
        own = next((group for group in groups if 0 in group), None)
        if len(groups[0]) == len(sound) == self.breadth and own != groups[0]:
            own, chosen = groups[0], sound[groups[0][0] - 1]
            first = as_round(chosen, first.proposed, chosen.rounds)
        # What could not be run, for want of a package perhaps, neither agrees nor disagrees.
        agreement = len(own) / (len(sound) + 1) if own else None
        return replace(first, proposals=len(others) + 1, agreement=agreement)

    def _reviews(self, completions: Sequence[Completion], number: int) -> Iterator[CodeReview]:
        for completion in completions:
            code = find_code(completion.text)
            if code is not None and code.closed:
                yield replace(self.judge(code.code, code.language or "python"), rounds=number)

    def _best(self, first: CodeReview, seen: Sequence[CodeReview]) -> CodeReview:
        """Return the best: passing, then with the fewest errors, then of the largest cluster, then the earliest."""
        right = [review for review in seen if _is_right(review)]
        if not right:
            fewest = min(seen, key=_errors)  # the earliest of equals
            return fewest if _errors(fewest) < _errors(first) and not _runs_worse(first, fewest) else first
        inputs = vary(self.specification.arguments())
        if len(right) == 1 or not inputs or self.runner is None:
            return right[0]
        runner, name = self.runner, self.specification.function
        groups = clusters([outputs(review.code, name, inputs, runner) for review in right])
        if not groups:
            return right[0]
        return replace(right[groups[0][0]], agreement=len(groups[0]) / len(right))


def _is_right(review: CodeReview) -> bool:
    return _errors(review) == 0 and review.trial is not None and review.trial.outcome == "passed"


def _errors(review: CodeReview) -> int:
    return sum(note.error for note in review.notes)


def _runs_worse(first: CodeReview, second: CodeReview) -> bool:
    return (first.trial.passed if first.trial else 0) > (second.trial.passed if second.trial else 0)


def _complaint(review: CodeReview) -> str:
    """Return what is wrong in words for the generator; '' when nothing is."""
    errors = [
        note.message if note.by == "sandbox" else f"line {note.line}: {note.message}"
        for note in review.notes
        if note.error
    ]
    return "This code is wrong:\n" + "\n".join(errors[:5]) if errors else ""
