"""All rules in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Iterator

from gatllm.review.critics import Finding
from gatllm.review.rules import arguments, blocks, chat, expressions, foreign, keywords, literals, placement
from gatllm.review.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    *chat.RULES,
    *placement.RULES,
    *arguments.RULES,
    *expressions.RULES,
    *literals.RULES,
    *keywords.RULES,
    *foreign.RULES,
    *blocks.RULES,
)


def repairs(text: str, error: Finding) -> Iterator[str]:
    """Yield whole texts in which a rule has put the mistake at the error right, the likeliest first."""
    for rule in RULES:
        if rule.messages.search(error.message):
            yield from rule.rewrite(text, error)
