"""All rules in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Iterator

from gatllm.review.critics import Finding
from gatllm.review.rules import (
    aliases,
    arguments,
    blocks,
    chat,
    clauses,
    expressions,
    foreign,
    hints,
    keywords,
    leftover,
    literals,
    lost,
    neighbours,
    old_python,
    pasted,
    placement,
    truncated,
)
from gatllm.review.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    *chat.RULES,
    *placement.RULES,
    *truncated.RULES,
    *aliases.RULES,
    *arguments.RULES,
    *expressions.RULES,
    *leftover.RULES,
    *literals.RULES,
    *neighbours.RULES,
    *keywords.RULES,
    *lost.RULES,
    *hints.RULES,
    *blocks.RULES,
    *clauses.RULES,
    *pasted.RULES,
    *old_python.RULES,
    *foreign.RULES,
)


def repairs(text: str, error: Finding) -> Iterator[tuple[Rule, str]]:
    """Yield rules with whole texts in which they have put the mistake at the error right, the likeliest first."""
    for rule in RULES:
        if not rule.whole and rule.messages.search(error.message):
            for new in rule.rewrite(text, error):
                yield rule, new
