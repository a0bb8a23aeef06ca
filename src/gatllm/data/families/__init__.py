"""The kinds of error that good code can be given: syntactic ones break the grammar, semantic ones the meaning."""

from __future__ import annotations

from dataclasses import dataclass

from gatllm.data.code import Operator
from gatllm.data.families import semantic, syntactic


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of error. ``weight`` is how often it is drawn, beside the others."""

    name: str
    syntactic: bool
    weight: float
    operator: Operator
    what: str


_TABLE = [
    ("bracket", True, 3.0, syntactic.bracket, "a missing, extra or swapped bracket"),
    ("quote", True, 1.5, syntactic.quote, "a missing or swapped quote"),
    ("colon", True, 1.5, syntactic.colon, "a missing or extra colon, or `=` or `;` in its place"),
    ("comma", True, 1.5, syntactic.comma, "a missing or extra comma, or a full stop in its place"),
    ("operator", True, 1.5, syntactic.operator, "a missing, doubled or foreign operator"),
    ("underscore", False, 0.7, semantic.underscore, "a missing or extra underscore in a name"),
    ("keyword-typo", True, 1.5, syntactic.keyword_typo, "a misspelt keyword"),
    ("indent", True, 2.0, syntactic.indent, "a line indented too far or too little"),
    ("tabs", True, 0.5, syntactic.tabs, "a tab among spaces"),
    ("token", True, 2.0, syntactic.token, "a token deleted, doubled or swapped with the next"),
    ("stray", True, 1.0, syntactic.stray, "a mark or keyword that has no business there"),
    ("exchanged", True, 0.7, syntactic.exchanged, "a mark or keyword in place of another"),
    ("line", True, 0.7, syntactic.line, "a line deleted, doubled or joined to the next"),
    ("print-statement", True, 1.5, syntactic.print_statement, "Python 2: `print x`"),
    ("except-comma", True, 3.0, syntactic.except_comma, "Python 2: `except E, e`"),
    ("f-string", True, 1.5, syntactic.f_string, "unbalanced braces in an f-string"),
    ("builtin-typo", False, 0.7, semantic.builtin_typo, "a misspelt builtin"),
    ("name", False, 2.0, semantic.name, "another name of the same function, or a misspelt one"),
    ("argument", False, 1.0, semantic.argument, "two arguments swapped"),
    ("off-by-one", False, 1.5, semantic.off_by_one, "an integer one too large or too small"),
    ("comparison", False, 1.5, semantic.comparison, "a comparison flipped or its bound moved"),
    ("arithmetic", False, 1.0, semantic.arithmetic, "another arithmetic or boolean operator"),
    ("return", False, 0.7, semantic.missing_return, "a missing `return`"),
    ("self", False, 0.7, semantic.missing_self, "a missing `self`"),
    ("await", False, 0.4, semantic.missing_await, "a missing `await`"),
    ("mutable-default", False, 0.4, semantic.mutable_default, "a mutable default argument"),
    ("exception", False, 0.6, semantic.wrong_exception, "the wrong exception"),
]
FAMILIES = {name: Family(name, grammar, weight, operator, what) for name, grammar, weight, operator, what in _TABLE}

__all__ = ["FAMILIES", "Family"]
