"""A code block passes the reviewers: compiler, linter, discriminator, knowledge of what exists; then it is repaired."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

from gatllm.answering.answer import CodeReview, Edit, Note
from gatllm.answering.grammar import is_foreign
from gatllm.answering.knowledge import check_names, correct_names, unchecked_modules

# Of the linter's rules, those that say the code fails when it runs; the others (an unused import) are remarks.
_FATAL = ("E9", "F50", "F52", "F622", "F63", "F7", "F82", "target-version")


class CodeReviewer(Protocol):
    """What `gatllm.review.Reviewer` offers: judging a text and repairing one that does not compile."""

    def check(self, text: str) -> Any:
        """Return a review with ``verdict``, ``probability``, ``suspects`` and ``findings``."""

    def fix(self, text: str) -> Any:
        """Return a repair with ``text``, ``changed``, ``compiles``, ``by`` and ``why``."""


def review_code(
    code: str, reviewer: CodeReviewer, *, language: str = "python", from_prompt: bool = False
) -> CodeReview:
    """Check a piece of Python, repair what can be repaired, and tell what was found and changed.

    What does not compile goes to the discriminator's repair. Names that the library does not have, with one near name
    that it does have, are replaced by it; the result stays only if it is better.
    """
    if is_foreign(code):
        words = "this is not read here: it takes a newer Python, or holds lines for a shell or a notebook"
        foreign = Note(1, "not-checked", words, "compiler", False)
        return CodeReview(language, code, code, "unchecked", notes=(foreign,), from_prompt=from_prompt)
    current, edits = code, []
    repair = reviewer.fix(code)
    if repair.changed:
        edits += _edits(code, repair.text, str(repair.by), _first_complaint(reviewer, code))
        current = repair.text
    renamed, why = _real_names(current)
    if renamed != current:
        if edits:  # offsets are into the proposed code: say it as one script
            edits = _edits(code, renamed, f"{repair.by}, knowledge", why)
        else:
            edits = _edits(code, renamed, "knowledge", why)
        current = renamed
    review = reviewer.check(current)
    notes = tuple(_notes(current, review))
    wrong = any(note.error for note in notes)
    fake = wrong or (review.probability is not None and review.verdict == "fake" and bool(review.suspects))
    return CodeReview(
        language=language,
        proposed=code,
        code=current,
        verdict="fake" if fake else "real",
        probability=review.probability,
        notes=notes,
        edits=tuple(edits),
        from_prompt=from_prompt,
    )


def _first_complaint(reviewer: CodeReviewer, code: str) -> str:
    findings = reviewer.check(code).findings
    return f"line {findings[0].line}: {findings[0].message}" if findings else ""


def _notes(code: str, review: Any) -> Iterator[Note]:
    for finding in review.findings:
        fatal = finding.critic == "compiler" or finding.code.startswith(_FATAL)
        yield Note(finding.line, finding.code, finding.message, finding.critic, fatal)
    for fact in check_names(code):
        yield Note(fact.line, f"knowledge-{fact.kind}", fact.message, "knowledge", True)
    for suspect in review.suspects:
        words = f"{suspect.words} (probability {suspect.probability:.2f})"
        yield Note(suspect.line, "suspect", words, "discriminator", False)
    if modules := unchecked_modules(code):
        yield Note(1, "not-checked", f"names of {', '.join(modules)} can't be checked here", "knowledge", False)


def _real_names(code: str) -> tuple[str, str]:
    """Replace names that do not exist by the one near name that does; return the code and what was changed."""
    corrected, facts = correct_names(code)
    return corrected, "; ".join(dict.fromkeys(fact.message for fact in facts))


def _edits(before: str, after: str, by: str, why: str) -> list[Edit]:
    """Return the changes from ``before`` to ``after``, token by token."""
    from gatllm.tokenizers.lexing.strict import lex

    old, new = lex(before), lex(after)
    matcher = difflib.SequenceMatcher(
        None, [token.text for token in old], [token.text for token in new], autojunk=False
    )
    edits: list[Edit] = []
    for tag, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if tag == "equal":
            continue
        start = old[old_from].start if old_from < len(old) else len(before)
        end = old[old_to - 1].end if old_to > old_from else start
        text = "".join(token.text for token in new[new_from:new_to])
        edits.append(Edit(start, end, before[start:end], text, by, why))
    return edits


def apply_edits(code: str, edits: tuple[Edit, ...]) -> str:
    """Return ``code`` after ascending, non-overlapping edits."""
    for edit in reversed(edits):
        code = code[: edit.start] + edit.text + code[edit.end :]
    return code


def unchecked(language: str, code: str) -> CodeReview:
    """Return the review of a block that no reviewer here can read."""
    return CodeReview(language, code, code, "unchecked")


def as_round(review: CodeReview, proposed: str, rounds: int) -> CodeReview:
    """Return a review of a later proposal as the outcome for the first one, its edits said against the first."""
    edits = tuple(_edits(proposed, review.code, "generator", "asked again with the findings"))
    return replace(review, proposed=proposed, edits=edits, rounds=rounds)
