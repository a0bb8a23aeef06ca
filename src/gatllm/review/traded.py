"""Rules that trade a sign for another, or put in a word: what they say holds for a line with that one mistake.

`f((a=1, b=2)` has a bracket too many; read as a comparison that lacks a sign it becomes `f(a==1, b==2)`. So the line
that such a rule wrote must have been given as the rule found it, and stay as the rule left it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from gatllm.review.ends import equal_ends

# Each with the number of lines below that count as well: what is put in as a body stands above them.
_TRADING = {
    "argument-with-colon": 0,
    "assignment-in-expression": 0,
    "backslash-before-quote": 0,
    "body-missing": 2,
    "comparison-with-one-sign": 0,
    "dot-between-parameters": 0,
    "if-lost": 0,
    "index-in-parentheses": 0,
    "quote-and-other": 0,
    "semicolon-in-brackets": 0,
    "sign-between-lost": 0,
}


def traded(before: str, after: str, nodes: Sequence[ast.AST], steps: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """Yield in plain words what a rule would trade where its line had another mistake.

    Args:
        before: the text as it was given.
        after: the repaired text.
        nodes: those of its tree that are looked at.
        steps: what named rules did on the way: text before, text after, name.
    """
    given, kept = set(before.split("\n")), set(after.split("\n"))
    for old, new, rule in steps:
        if rule not in _TRADING:
            continue
        was, written = old.split("\n"), new.split("\n")
        head, tail = equal_ends(was, written)
        found, left = was[head : len(was) - tail], written[head : len(written) - tail + _TRADING[rule]]
        if not (given.issuperset(found) and kept.issuperset(left)):
            yield f"`{left[0].strip()}` has another mistake"
    if any(rule == "assignment-in-expression" for _, _, rule in steps):
        yield from _bound_in_list(after.split("\n"), nodes)


def _bound_in_list(lines: Sequence[str], nodes: Sequence[ast.AST]) -> Iterator[str]:
    """A name bound among arguments or in a tuple, without brackets of its own, was an argument of a call."""
    for node in nodes:
        values = node.args if isinstance(node, ast.Call) else node.elts if isinstance(node, ast.Tuple) else []
        for value in values:
            if not isinstance(value, ast.NamedExpr):
                continue
            # The tree counts bytes; what stands beside is one of brackets, commas and names.
            head = lines[value.lineno - 1].encode()[: value.col_offset].rstrip()
            tail = lines[(value.end_lineno or value.lineno) - 1].encode()[value.end_col_offset :].lstrip()
            own = b"((" if len(values) == 1 else b"("
            if not (head.endswith(own) and tail.startswith(b")")):
                yield f"`{value.target.id}=` may be an argument"
