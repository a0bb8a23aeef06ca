"""The words and operators of Python: the one table that both lexers, the injector and the repairer go by."""

from __future__ import annotations

import builtins
import keyword

KEYWORDS = frozenset(keyword.kwlist)
BLOCK_WORDS = frozenset({"match", "case"})  # of the soft keywords those that begin a block
OLD_STATEMENTS = frozenset({"print", "exec"})  # statements of Python 2
STATEMENT_WORDS = KEYWORDS | BLOCK_WORDS | OLD_STATEMENTS | {"type"}  # what a line of code may begin with
BUILTINS = frozenset(name for name in dir(builtins) if not name.startswith("_"))
OPENING, CLOSING = "([{", ")]}"

# The operators, as one part of a verbose regular expression.
OPERATORS = r"\*\*=|//=|>>=|<<=|\.\.\.|\*\*|//|>>|<<|->|:=|[-+*/%@&|^!=<>]=|[-+*/%@&|^~<>=.,:;()\[\]{}]"
