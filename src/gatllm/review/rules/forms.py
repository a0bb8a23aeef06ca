"""Rules that rewrite a form in one line, told by a regular expression."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from gatllm.review.critics import Finding
from gatllm.review.region import line_span
from gatllm.review.rules.rule import ANY, LONGEST, Rule
from gatllm.tokenizers.lexing.lenient import outside_strings

Rewrite = Callable[["re.Match[str]", str], str | None]  # the match in its line, what follows the line → the statement


def form(
    name: str,
    what: str,
    why: str,
    example: tuple[str, str],
    pattern: str,
    rewrite: Rewrite | str,
    *,
    anywhere: bool = False,
) -> Rule:
    """Return a rule for a form in the line of the error, or the one before.

    Args:
        name: the rule's name.
        what: the mistake.
        why: why the repair is what was meant.
        example: before and after.
        pattern: the form; it must begin outside strings and comments, unless ``anywhere``.
        rewrite: what to write; a template of the groups, or a function.
        anywhere: whether the form may lie in a string.
    """
    put = _put(rewrite) if isinstance(rewrite, str) else rewrite
    compiled = re.compile(pattern)

    def rewritten(text: str, error: Finding) -> Iterator[str]:
        for number in (error.line, error.line - 1):
            start, end = line_span(text, number) if number > 0 else (0, 0)
            if not 0 < end - start <= LONGEST:
                continue
            line = text[start:end]
            for found in compiled.finditer(line):
                here = found.start() + len(found[0]) - len(found[0].lstrip(" \t;:"))
                code = outside_strings(line)
                if anywhere or (here < len(code) and code[here]):
                    new = put(found, text[end:])
                    if new is not None:
                        yield text[: start + found.start()] + new

    return Rule(name, ANY, what, why, *example, rewritten)


def _put(template: str) -> Rewrite:
    def rewrite(found: re.Match[str], after: str) -> str:
        return found.expand(template) + found.string[found.end() :] + after

    return rewrite
