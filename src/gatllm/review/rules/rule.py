"""What a named rule of repair is: a fixed answer to something that the compiler says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from gatllm.review.critics import Finding
from gatllm.review.region import line_span

LONGEST = 1000  # characters of a line that somebody typed

ANY = re.compile("")  # the compiler may say anything


@dataclass(frozen=True, slots=True)
class Rule:
    """A known mistake and its repair.

    ``rewrite`` yields whole texts with the mistake at the error put right, the likeliest first; the compiler judges
    them. What such a step adds or removes passes the gate, so that a rule must be exact: where two things may have been
    meant it yields nothing.

    Args:
        name: what `gatllm explain` and the documentation call it.
        messages: what the compiler says (CPython 3.11 to 3.14) where the rule may apply.
        what: the mistake, in a sentence.
        why: why this repair is what was meant, in a sentence or two.
        before: an example that does not compile.
        after: the same, repaired; a test holds that the rule does it.
        rewrite: the repair.
        whole: whether it rewrites lines all over the file; of several such texts the one counts that gets furthest.
    """

    name: str
    messages: re.Pattern[str]
    what: str
    why: str
    before: str
    after: str
    rewrite: Callable[[str, Finding], Iterable[str]]
    whole: bool = False


def for_typed_lines(*rules: Rule) -> tuple[Rule, ...]:
    """Return rules that leave lines longer than `LONGEST`: data, in which a search for pairs of signs has no end."""

    def bounded(rewrite: Callable[[str, Finding], Iterable[str]]) -> Callable[[str, Finding], Iterable[str]]:
        def rewritten(text: str, error: Finding) -> Iterable[str]:
            start, end = line_span(text, error.line)
            return rewrite(text, error) if end - start <= LONGEST else ()

        return rewritten

    return tuple(replace(rule, rewrite=bounded(rule.rewrite)) for rule in rules)
